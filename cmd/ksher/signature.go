package main

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/signhelp"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxText bounds what is read of a text.
const maxText = 1 << 20

// textFile is a file to read, or standard input.
type textFile struct {
	File string `arg:"" optional:"" type:"path" help:"The file; without it, standard input."`
}

func (f textFile) read(stdin io.Reader) ([]byte, error) {
	from := stdin
	if f.File != "" {
		file, err := os.Open(f.File)
		if err != nil {
			return nil, usageError{err}
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("the text is longer than %d bytes", maxText)
	}
	return text, err
}

// readParams reads parameters, from a form or from a JSON object of texts and numbers.
func readParams(text []byte) ([]wire.Param, error) {
	text = wire.Trim(text)
	if len(text) == 0 {
		return nil, errors.New("there are no parameters: give them as a form, a=1&b=2, or as a JSON object")
	}
	if text[0] == '{' {
		members, err := wire.ParseObject(text)
		if err != nil {
			return nil, fmt.Errorf("the JSON object of parameters: %w", err)
		}
		var params []wire.Param
		for _, m := range members {
			params = append(params, wire.Param{Name: string(m.Name), Value: string(m.Value.Text())})
		}
		return params, nil
	}
	form, err := url.ParseQuery(strings.TrimPrefix(string(text), "?"))
	if err != nil {
		return nil, fmt.Errorf("the form of parameters: %w", err)
	}
	return wire.FormParams(form), nil
}

// withoutSign takes the signature out of parameters.
func withoutSign(params []wire.Param) (rest []wire.Param, sign string) {
	for _, p := range params {
		if p.Name == "sign" {
			sign = p.Value
		} else {
			rest = append(rest, p)
		}
	}
	wire.SortParams(rest)
	return rest, sign
}

type signCommand struct {
	Key  string `required:"" type:"existingfile" env:"KSHER_PRIVATE_KEY_FILE" help:"The private key, in PEM."`
	Text bool   `help:"Print the text that is signed instead of the signature."`
	textFile
}

// Run signs the parameters of a request.
func (s *signCommand) Run(stdin io.Reader, stdout io.Writer) error {
	text, err := s.read(stdin)
	if err != nil {
		return err
	}
	params, err := readParams(text)
	if err != nil {
		return err
	}
	params, _ = withoutSign(params)
	signed := wire.ParamsSignText(params)
	if s.Text {
		_, err := fmt.Fprintf(stdout, "%s\n", signed)
		return err
	}
	pemText, err := os.ReadFile(s.Key)
	if err != nil {
		return usageError{err}
	}
	key, err := ksher.ParsePrivateKey(pemText)
	if err != nil {
		return usage("%s: %w", s.Key, err)
	}
	digest := md5.Sum(signed)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.MD5)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, hex.EncodeToString(signature))
	return err
}

type verifyCommand struct {
	Key     string `type:"existingfile" help:"Of a request: the merchant's key, private or public. Of an answer: the only public key to believe."`
	Sandbox bool   `help:"Of an answer: believe the keys of the local gateway instead of Ksher's."`
	Text    bool   `help:"Print the text that is signed as well."`
	textFile
}

// errNotSigned makes the program end with a status that tells.
var errNotSigned = errors.New("the signature isn't right")

// Run tells whether a request, an answer or a notification is signed rightly, and what is
// wrong otherwise.
func (v *verifyCommand) Run(stdin io.Reader, stdout io.Writer) error {
	text, err := v.read(stdin)
	if err != nil {
		return err
	}
	if outer, inner, err := readAnswer(text); err == nil {
		return v.answer(stdout, outer, inner)
	}
	params, err := readParams(text)
	if err != nil {
		return err
	}
	rest, sign := withoutSign(params)
	switch {
	case sign == "":
		return errors.New("it is neither an answer with data and sign, nor parameters with a sign; a refusal has no sign, and ksher explain knows its code")
	case v.Key == "":
		return usage("name the merchant's key with --key, private or public, to verify a request")
	}
	key, err := v.key()
	if err != nil {
		return err
	}
	if v.Text {
		fmt.Fprintf(stdout, "%s\n", wire.ParamsSignText(rest))
	}
	if help := signhelp.RSA(signhelp.Request{Params: rest, Sign: sign}, key); help != "" {
		fmt.Fprintln(stdout, help)
		return errNotSigned
	}
	_, err = fmt.Fprintf(stdout, "Right: signed by %s.\n", key.Name)
	return err
}

// readAnswer reads an answer or a notification, which may be percent-encoded.
func readAnswer(text []byte) (outer, inner []wire.Member, err error) {
	text = wire.Trim(text)
	if len(text) > 0 && text[0] == '%' {
		decoded, err := url.QueryUnescape(string(text))
		if err != nil {
			return nil, nil, err
		}
		text = []byte(decoded)
	}
	outer, inner, err = wire.ParseEnvelope(text)
	if err == nil && len(inner) == 0 {
		err = errors.New("it has no data; ksher explain knows the code of a refusal")
	}
	return outer, inner, err
}

// answer tells which key has signed which part of an answer.
func (v *verifyCommand) answer(stdout io.Writer, outer, inner []wire.Member) error {
	keys, err := v.keys()
	if err != nil {
		return err
	}
	value, found := wire.Find(outer, "sign")
	if !found {
		return errors.New("the answer has no sign")
	}
	sign := string(value.Text())
	signed := inner
	for _, operation := range append([]string{""}, slices.Sorted(maps.Keys(sandbox.SignedParts))...) {
		what := "all of data"
		if operation != "" {
			what, signed = "the part of "+operation+" that Ksher signs", only(inner, sandbox.SignedParts[operation])
		}
		i := slices.IndexFunc(keys, func(k signhelp.Key) bool { return signedBy(k.Public, sign, signed) })
		if i < 0 {
			continue
		}
		if v.Text {
			fmt.Fprintf(stdout, "%s\n", wire.AppendSignText(nil, signed, nil, false))
		}
		_, err := fmt.Fprintf(stdout, "Right: %s is signed by %s.\n", what, keys[i].Name)
		return err
	}
	if v.Text {
		fmt.Fprintf(stdout, "%s\n", wire.AppendSignText(nil, inner, nil, false))
	}
	fmt.Fprintf(stdout, "The signature of %d hex digits is by none of these keys over this data:\n", len(sign))
	for _, k := range keys {
		fmt.Fprintf(stdout, "  %s (signatures of %d digits)\n", k.Name, k.Public.Size()*2)
	}
	fmt.Fprintln(stdout, "Either the data was changed on the way, also by a program that wrote its numbers anew, or another key signed it.")
	return errNotSigned
}

// only returns the members of those names, none if one is missing.
func only(members []wire.Member, names []string) []wire.Member {
	part := slices.DeleteFunc(slices.Clone(members), func(m wire.Member) bool { return !slices.Contains(names, string(m.Name)) })
	if len(part) < len(names) {
		return nil
	}
	return part
}

// signedBy tells whether the key has signed exactly those members.
func signedBy(key *rsa.PublicKey, sign string, members []wire.Member) bool {
	verifier, err := ksher.NewVerifier(key)
	if err != nil || len(members) == 0 {
		return false
	}
	text, err := json.Marshal(rawMembers(members))
	return err == nil && verifier.Verify(text, sign) == nil
}

// rawMembers are members as they stand in the JSON.
func rawMembers(members []wire.Member) map[string]json.RawMessage {
	raw := make(map[string]json.RawMessage)
	for _, m := range members {
		raw[string(m.Name)] = json.RawMessage(m.Value.Raw)
	}
	return raw
}

// keys are the public keys to believe.
func (v *verifyCommand) keys() ([]signhelp.Key, error) {
	if v.Key != "" {
		key, err := v.key()
		return []signhelp.Key{key}, err
	}
	keyOf, whose := ksher.GatewayPublicKey, "Ksher's key of sign version "
	if v.Sandbox {
		keyOf, whose = sandbox.PublicKey, "the local gateway's key of sign version "
	}
	return []signhelp.Key{{Name: whose + "1", Public: keyOf(ksher.SignV1)}, {Name: whose + "2", Public: keyOf(ksher.SignV2)}}, nil
}

// key reads the key that is named.
func (v *verifyCommand) key() (signhelp.Key, error) {
	text, err := os.ReadFile(v.Key)
	if err != nil {
		return signhelp.Key{}, usageError{err}
	}
	_, public, err := readKey(text)
	if err != nil {
		return signhelp.Key{}, usage("%s: %w", v.Key, err)
	}
	return signhelp.Key{Name: "the key in " + v.Key, Public: public}, nil
}

type decodeCommand struct {
	JSON bool `help:"Print the data as indented JSON."`
	textFile
}

// Run prints the data of an answer or a notification, readable.
func (d *decodeCommand) Run(stdin io.Reader, stdout io.Writer) error {
	text, err := d.read(stdin)
	if err != nil {
		return err
	}
	_, inner, err := readAnswer(text)
	if err != nil {
		return fmt.Errorf("it isn't an answer or a notification of Ksher's: %w", err)
	}
	if d.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(rawMembers(inner))
	}
	width := 0
	for _, m := range inner {
		width = max(width, len(m.Name))
	}
	slices.SortFunc(inner, func(a, b wire.Member) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for _, m := range inner {
		fmt.Fprintf(stdout, "%-*s  %q\n", width, m.Name, string(m.Value.Text()))
	}
	return nil
}
