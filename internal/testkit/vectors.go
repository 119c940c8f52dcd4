package testkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

type example struct {
	AppID string
	Data  string
	Body  string
}

// PublishedExample is one of the answers that Ksher's documentation prints,
// signed by the real V1 key.
func PublishedExample(tb testing.TB, name string) example {
	tb.Helper()
	text, err := os.ReadFile(Path(tb, "testdata/published-v1.json"))
	require.NoError(tb, err)
	return findExample(tb, text, name)
}

// GenuineAnswer is an answer of the real gateway. Those aren't kept here.
func GenuineAnswer(tb testing.TB, name string) example {
	tb.Helper()
	text, err := os.ReadFile(Path(tb, "../shared/vectors/responses-v1.json"))
	if errors.Is(err, os.ErrNotExist) {
		tb.Skip("the genuine answers are kept outside the project and aren't here")
	}
	require.NoError(tb, err)
	return findExample(tb, text, name)
}

func findExample(tb testing.TB, file []byte, name string) example {
	tb.Helper()
	var all struct {
		Vectors []struct {
			Name string
			Data json.RawMessage
			Sign string
		}
	}
	require.NoError(tb, json.Unmarshal(file, &all))
	for _, v := range all.Vectors {
		if v.Name == name {
			var data struct{ AppID string }
			require.NoError(tb, json.Unmarshal(v.Data, &data))
			return example{data.AppID, string(v.Data), fmt.Sprintf(`{"code":0,"data":%s,"sign":%q}`, v.Data, v.Sign)}
		}
	}
	tb.Fatalf("there is no example %q", name)
	return example{}
}

type Vector struct {
	Name         string          `json:"name"`
	Data         json.RawMessage `json:"data"`
	Sign         string          `json:"sign"`
	SignedFields []string        `json:"signed_fields"`
}

func ReadVectors(tb testing.TB, file string) []Vector {
	tb.Helper()
	text, err := os.ReadFile(Path(tb, file))
	if os.IsNotExist(err) {
		tb.Skipf("%s is not here; its genuine answers are kept outside the project", file)
	}
	require.NoError(tb, err)
	var all struct{ Vectors []Vector }
	require.NoError(tb, json.Unmarshal(text, &all))
	require.NotEmpty(tb, all.Vectors)
	return all.Vectors
}
