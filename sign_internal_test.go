package ksher

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/wire"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Which part is signed belongs to the operation, and nothing exported can tell the
// verifier.
func TestPartlySignedAnswers(t *testing.T) {
	const file = "../shared/vectors/responses-v1.json"
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("%s is not here; its genuine answers are kept outside the project", file)
	}
	require.NoError(t, err)
	var all struct {
		Vectors []struct {
			Name         string
			Data         json.RawMessage
			Sign         string
			SignedFields []string `json:"signed_fields"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &all))
	verifier := publishedVerifier(SignV1)
	tested := 0
	for _, v := range all.Vectors {
		if v.SignedFields == nil {
			continue
		}
		tested++
		t.Run(v.Name, func(t *testing.T) {
			verify := func(data []byte) error {
				members, err := wire.ParseObject(data)
				if err != nil {
					return err
				}
				_, err = verifier.verify(members, v.SignedFields, v.Sign)
				return err
			}
			var buf bytes.Buffer
			require.NoError(t, json.Compact(&buf, v.Data))
			data := buf.Bytes()
			require.NoError(t, verify(data))

			// The members share memory with data, and changing them changes it.
			members, err := wire.ParseObject(data)
			require.NoError(t, err)
			signed := 0
			for _, m := range members {
				if slices.Contains(v.SignedFields, string(m.Name)) {
					signed++
					for _, part := range [][]byte{m.Name, m.Value.Raw} {
						for i := range part {
							for _, mask := range []byte{0x01, 0x20, 0x80} {
								part[i] ^= mask
								if verify(data) == nil {
									t.Errorf("%s may be %s", m.Name, part)
								}
								part[i] ^= mask
							}
						}
					}
				} else if i := len(m.Value.Raw) / 2; 'a' <= m.Value.Raw[i] && m.Value.Raw[i] < 'z' {
					m.Value.Raw[i]++
					assert.NoError(t, verify(data), "%s is not signed", m.Name)
					m.Value.Raw[i]--
				}
			}
			assert.Equal(t, len(v.SignedFields), signed)

			for _, name := range v.SignedFields {
				without := slices.DeleteFunc(slices.Clone(v.SignedFields), func(s string) bool { return s == name })
				_, err = verifier.verify(members, without, v.Sign)
				assert.ErrorIs(t, err, fault.ErrSignatureMismatch)
			}
			_, err = verifier.verify(members, []string{}, v.Sign)
			assert.ErrorIs(t, err, fault.ErrSignatureMismatch)
		})
	}
	assert.NotZero(t, tested)
}
