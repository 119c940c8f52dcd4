package vip_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/vip"
)

// vector is a text that others have signed.
type vector struct {
	Name    string `json:"name"`
	Prefix  string `json:"prefix"`
	Members string `json:"members"`
	Python  string `json:"python"`
	Script  string `json:"script"`
}

func vectors(tb testing.TB) (file []byte, all map[string]vector) {
	tb.Helper()
	file, err := os.ReadFile("testdata/signatures.json")
	require.NoError(tb, err)
	var content struct {
		Token string   `json:"token"`
		Cases []vector `json:"cases"`
	}
	require.NoError(tb, json.Unmarshal(file, &content))
	require.Equal(tb, token, content.Token)
	all = make(map[string]vector)
	for _, v := range content.Cases {
		all[v.Name] = v
	}
	return file, all
}

// The signatures in testdata are those that Python and Node.js make today.
func TestVectorsArePeers(t *testing.T) {
	file, _ := vectors(t)
	var content struct{ Cases []vector }
	require.NoError(t, json.Unmarshal(file, &content))
	for program, script := range map[string]string{"python3": "testdata/peer.py", "node": "testdata/peer.js"} {
		t.Run(program, func(t *testing.T) {
			if exec.Command(program, "--version").Run() != nil {
				t.Skip(program + " isn't installed")
			}
			peer := exec.Command(program, script)
			peer.Stdin = bytes.NewReader(file)
			out, err := peer.Output()
			require.NoError(t, err)
			lines := strings.Fields(string(out))
			require.Len(t, lines, len(content.Cases))
			for i, v := range content.Cases {
				assert.Equal(t, map[string]string{"python3": v.Python, "node": v.Script}[program], lines[i], v.Name)
			}
		})
	}
}

// And openssl agrees about the texts of requests.
func TestVectorsAreOpenSSLs(t *testing.T) {
	if exec.Command("openssl", "version").Run() != nil {
		t.Skip("openssl isn't installed")
	}
	_, all := vectors(t)
	for _, name := range []string{"plain request", "awkward request", "awkward path", "refund"} {
		v := all[name]
		openssl := exec.Command("openssl", "dgst", "-sha256", "-hmac", token, "-r")
		openssl.Stdin = strings.NewReader(signText(v.Prefix, members(t, v.Members)))
		out, err := openssl.Output()
		require.NoError(t, err)
		assert.Equal(t, v.Python, strings.ToUpper(strings.Fields(string(out))[0]), name)
	}
}

// The requests of a client are signed as the peers sign them.
func TestRequestSignatures(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: a request is signed with HMAC-SHA256 and the token, over its path and each parameter's name and value, sorted by name")
	const tea = "ชา ☕ 茶 🍵 \"two\" 'one' & = ? # % + \\ /"
	_, all := vectors(t)
	for name, do := range map[string]func(context.Context, *vip.Client) error{
		"plain request": func(ctx context.Context, c *vip.Client) error {
			_, err := c.Create(ctx, newOrders()[vip.KindRedirect])
			return err
		},
		"awkward request": func(ctx context.Context, c *vip.Client) error {
			_, err := c.Create(ctx, &vip.RedirectRequest{
				MerchantOrderID: "ชา 1", Amount: 9007199254740991, Note: tea + "\n",
				RedirectURL: "https://shop.example/thanks?a=1&b=%20", RedirectURLFail: "https://shop.example/sorry",
				Channel: []string{"wechat", "truemoney"}, ProductName: `{"a": [1, null]}`,
				Extra: ksher.Extra{Params: map[string]string{"a": "x", "a1": "y", "B": "False", "flag": "false", "empty": ""}},
			})
			return err
		},
		"awkward path": func(ctx context.Context, c *vip.Client) error {
			_, err := c.Query(ctx, vip.KindCScanB, &vip.QueryRequest{MerchantOrderID: "ชา 1+&=", MID: "mch35618"})
			return err
		},
		"refund": func(ctx context.Context, c *vip.Client) error {
			_, err := c.Refund(ctx, vip.KindMiniApp, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 50_00})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // Where it is 946684800.
				var path string
				var params map[string]string
				client := newClient(t, func(r *http.Request) (int, string, error) {
					path, params = r.URL.Path, received(t, r)
					return http.StatusNotFound, "", nil
				})
				require.ErrorIs(t, do(t.Context(), client), fault.ErrHTTPStatus)
				want := members(t, all[name].Members)
				want["signature"] = all[name].Python
				assert.Equal(t, want, params)
				assert.Equal(t, all[name].Prefix, path)
			})
		})
	}
}

// What is signed of a path is the path itself, and what is sent is escaped.
func TestPathIsEscaped(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: the path is signed as it was before it was escaped")
	var address string
	client := newClient(t, func(r *http.Request) (int, string, error) {
		address, _, _ = strings.Cut(r.URL.String(), "?")
		return http.StatusNotFound, "", nil
	})
	_, err := client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "ชา 1+&=;"})
	require.ErrorIs(t, err, fault.ErrHTTPStatus)
	require.Equal(t, host+redirectPath+"/"+url.PathEscape("ชา 1+&=;"), address)
}

// An order's answer is believed in both spellings of booleans, and in no third.
func TestAnswerSignatures(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: false is signed as Python writes it, False, or as JavaScript does, false")
	testkit.Holds(t, testkit.Clients, "vip: a signature may be in lower-case hex digits")
	_, all := vectors(t)
	for _, name := range []string{"order", "escaped order"} {
		v := all[name]
		lower := strings.ToLower(v.Python)
		require.NotEqual(t, lower, v.Python)
		for _, c := range []struct {
			name, signature string
			want            error
		}{
			{"Python", v.Python, nil},
			{"JavaScript", v.Script, nil},
			{"small letters", lower, nil},
			{"none", "", fault.ErrSignatureMissing},
			{"cut", v.Python[:62], fault.ErrSignatureMalformed},
			{"too long", v.Python + "00", fault.ErrSignatureMalformed},
			{"not hexadecimal", "x" + v.Python[1:], fault.ErrSignatureMalformed},
			{"blank", " " + v.Python, fault.ErrSignatureMalformed},
			{"one digit", flip(v.Python), fault.ErrSignatureMismatch},
			{"of another path", all["refund"].Python, fault.ErrSignatureMismatch},
		} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				client := answering(t, http.StatusOK, withSignature(v.Members, c.signature))
				order, err := client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
					require.ErrorIs(t, err, ksher.ErrSignature)
					require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
					require.Nil(t, order)
					return
				}
				require.NoError(t, err)
				require.NoError(t, order.CheckPaid("A-1", 150_50, "THB"))
				require.True(t, order.Cleared)
				require.False(t, order.Locked)
				require.Empty(t, order.ID)
				require.Equal(t, "https://x.example/1", order.LogEntryURL)
			})
		}
	}
}

// Null is spelled in three ways, each with booleans of its own.
func TestAnswerWithNull(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: null is signed as None, as null or as nothing")
	object := strings.Replace(goodOrder, "{", `{"mid":null,"note":null,`, 1)
	flat := members(t, object)
	for _, c := range []struct {
		name, null, no string
		want           error
	}{
		{"Python", "None", "False", nil},
		{"JavaScript", "null", "false", nil},
		{"PHP", "", "False", nil},
		{"Python's and PHP's", "None", "", fault.ErrSignatureMismatch},
		{"PHP's and JavaScript's", "", "false", fault.ErrSignatureMismatch},
		{"JavaScript's and Python's", "null", "False", fault.ErrSignatureMismatch},
		{"a fourth", "NULL", "False", fault.ErrSignatureMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			flat["mid"], flat["note"], flat["cleared"] = c.null, c.null, c.no
			body := withSignature(object, sign(signText(redirectPath+"/A-1", flat)))
			order, err := answering(t, http.StatusOK, body).Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1", MID: "mch1"})
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				require.NoError(t, order.CheckPaid("A-1", 150_50, "THB"))
				require.Empty(t, order.Note)
			}
		})
	}
	// None of them lets a value be taken out.
	flat["mid"], flat["note"], flat["cleared"] = "mch2", "", "False"
	body := withSignature(object, sign(signText(redirectPath+"/A-1", flat)))
	_, err := answering(t, http.StatusOK, body).Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.ErrorIs(t, err, fault.ErrSignatureMismatch)
}

func flip(signature string) string {
	last := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(signature, "0")]
	return signature[:len(signature)-1] + last
}

// Every member of an answer is covered, but for the one that is documented.
func TestAnswerIsCovered(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: every member of an answer is signed but signature and log_entry_url")
	good := signed(t, redirectPath+"/A-1", strings.TrimSuffix(goodOrder, "}")+`,"log_entry_url":"https://x.example/1"}`)
	for name, change := range map[string][2]string{
		"amount":       {`15050`, `15051`},
		"status":       {`"Paid"`, `"Available"`},
		"boolean":      {`false`, `true`},
		"a name":       {`"currency"`, `"currencz"`},
		"new member":   {`{`, `{"x":"y",`},
		"empty member": {`{`, `{"x":"",`},
		"number":       {`15050`, `15050.0`},
		"null":         {`"THB"`, `null`},
		"twice":        {`{`, `{"status":"Paid",`},
		"other case":   {`{`, `{"Status":"Paid",`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(good, change[0], change[1], 1)
			require.NotEqual(t, good, changed)
			_, err := answering(t, http.StatusOK, changed).Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
			require.Error(t, err)
		})
	}
	for name, change := range map[string][2]string{
		"log_entry_url":           {`https://x.example/1`, `https://x.example/2`},
		"blanks":                  {`,`, " ,\n\t"},
		"escapes":                 {`"Paid"`, `"\u0050aid"`},
		"number as text":          {`15050`, `"15050"`},
		"boolean as it is signed": {`false`, `"False"`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(good, change[0], change[1], 1)
			require.NotEqual(t, good, changed)
			order, err := answering(t, http.StatusOK, changed).Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
			require.NoError(t, err)
			require.NoError(t, order.CheckPaid("A-1", 150_50, "THB"))
		})
	}
}

// A signature that says nothing about what is inside an object doesn't prove an
// order, wherever the object is.
func TestObjectInOrder(t *testing.T) {
	object := strings.Replace(goodOrder, `"https://pay.example/1"`, `{"a":1}`, 1)
	flat := members(t, goodOrder)
	for spelling, want := range map[string]error{"{'a': 1}": nil, "[object Object]": fault.ErrSignatureMismatch} {
		flat["reference"] = spelling
		flat["cleared"] = map[bool]string{true: "False", false: "false"}[want == nil]
		body := withSignature(object, sign(signText(redirectPath+"/A-1", flat)))
		_, err := answering(t, http.StatusOK, body).Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
		require.ErrorIs(t, err, want, spelling)
	}
}

// Reports are proved in Python's spelling only where they are nested, and their
// spelling is what decides.
func TestReportSignatures(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "vip: a report's rows are signed as Python writes them, or not at all")
	_, all := vectors(t)
	read := func(t *testing.T, name, signature string, opts ...vip.Option) (verified bool, err error) {
		client := answering(t, http.StatusOK, withSignature(all[name].Members, signature), opts...)
		if name == "list" {
			channels, err := client.Channels(t.Context(), &vip.ChannelsRequest{MID: "mch35618"})
			if err != nil {
				return false, err
			}
			require.Equal(t, []string{"wechat", "it's"}, channels.Channels)
			return channels.Verified, nil
		}
		rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "mch35618"}))
		if err != nil {
			return false, err
		}
		require.Len(t, rows, 2)
		require.Equal(t, rows[0].Verified, rows[1].Verified)
		return rows[0].Verified, nil
	}
	for _, c := range []struct {
		name, signature string
		verified        bool
	}{
		{"nested", all["nested"].Python, true},
		{"nested", all["nested"].Script, false}, // It covers no row.
		{"nested", all["list"].Python, false},
		{"list", all["list"].Python, true},
		{"list", all["list"].Script, true},
		{"list", all["nested"].Python, false},
	} {
		verified, err := read(t, c.name, c.signature)
		require.NoError(t, err)
		require.Equal(t, c.verified, verified)

		_, err = read(t, c.name, c.signature, vip.WithStrict())
		if c.verified {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, fault.ErrSignatureMismatch)
		}
	}
	// Nobody who signs leaves the signature out, or makes one of another length.
	for _, name := range []string{"nested", "list"} {
		_, err := read(t, name, "")
		require.ErrorIs(t, err, fault.ErrSignatureMissing)
		_, err = read(t, name, "00")
		require.ErrorIs(t, err, fault.ErrSignatureMalformed)
	}
	// What isn't nested has no excuse.
	_, err := answering(t, http.StatusOK, withSignature(`{"error_code":"UNKNOWN","error_message":"NOT allowed mid"}`, all["list"].Python)).
		Channels(t.Context(), &vip.ChannelsRequest{MID: "mch35618"})
	require.ErrorIs(t, err, fault.ErrSignatureMismatch)

	v := all["nested empty"]
	rows, err := collect(answering(t, http.StatusOK, withSignature(v.Members, v.Python), vip.WithStrict()).
		Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "mch35618"}))
	require.NoError(t, err)
	require.Empty(t, rows)
}
