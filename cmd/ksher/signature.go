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
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/signhelp"
	"github.com/ksher-go/ksher/internal/wire"
)

// textFile is a file to read, or standard input.
type textFile struct {
	File string `arg:"" optional:"" type:"path" help:"The file; without it, standard input."`
}

func (f textFile) read(stdin io.Reader) ([]byte, error) {
	from := stdin
	if f.File != "" {
		file, err := os.Open(f.File)
		if err != nil {
			return nil, err
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
		return err
	}
	key, err := ksher.ParsePrivateKey(pemText)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Key, err)
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
		return errors.New("it is neither an answer with data and sign, nor parameters with a sign")
	case v.Key == "":
		return errors.New("name the merchant's key with --key, private or public, to verify a request")
	}
	pemText, err := os.ReadFile(v.Key)
	if err != nil {
		return err
	}
	_, public, err := readKey(pemText)
	if err != nil {
		return fmt.Errorf("%s: %w", v.Key, err)
	}
	if v.Text {
		fmt.Fprintf(stdout, "%s\n", wire.ParamsSignText(rest))
	}
	if help := signhelp.RSA(signhelp.Request{Params: rest, Sign: sign}, signhelp.Key{Name: "the key in " + v.Key, Public: public}); help != "" {
		fmt.Fprintln(stdout, help)
		return errNotSigned
	}
	_, err = fmt.Fprintf(stdout, "Right: signed by the key in %s.\n", v.Key)
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
	if err == nil && inner == nil {
		err = errors.New("it has no data")
	}
	return outer, inner, err
}

// signedParts are the members that Ksher signs of the answers that it signs in part.
var signedParts = map[string][]string{
	"all of data": nil,
	"the part of merchant_info that Ksher signs":       {"mobile", "mch_id", "account_type", "business_mode", "nonce_str"},
	"the part of get_settlement_info that Ksher signs": {"begin_date", "end_date", "nonce_str"},
}

// answer tells which key has signed which part of an answer.
func (v *verifyCommand) answer(stdout io.Writer, outer, inner []wire.Member) error {
	keys, err := v.keys()
	if err != nil {
		return err
	}
	value, _ := wire.Find(outer, "sign")
	sign := string(value.Text())
	if v.Text {
		fmt.Fprintf(stdout, "%s\n", wire.AppendSignText(nil, inner, nil, false))
	}
	for what, part := range signedParts {
		for name, key := range keys {
			if signedBy(key, sign, inner, part) {
				_, err := fmt.Fprintf(stdout, "Right: %s is signed by %s.\n", what, name)
				return err
			}
		}
	}
	fmt.Fprintf(stdout, "The signature of %d hex digits is by none of these keys over this data:\n", len(sign))
	for name := range keys {
		fmt.Fprintf(stdout, "  %s (signatures of %d digits)\n", name, keys[name].Size()*2)
	}
	fmt.Fprintln(stdout, "Either the data was changed on the way, also by a program that wrote its numbers anew, or another key signed it.")
	return errNotSigned
}

// signedBy tells whether the key has signed those members, all of them if part is nil.
func signedBy(key *rsa.PublicKey, sign string, members []wire.Member, part []string) bool {
	verifier, err := ksher.NewVerifier(key)
	if err != nil {
		return false
	}
	data := map[string]json.RawMessage{}
	for _, m := range members {
		if name := string(m.Name); part == nil || slices.Contains(part, name) {
			data[name] = json.RawMessage(m.Value.Raw)
		}
	}
	text, err := json.Marshal(data)
	return err == nil && verifier.Verify(text, sign) == nil
}

// keys are the public keys to believe, by their names.
func (v *verifyCommand) keys() (map[string]*rsa.PublicKey, error) {
	if v.Key != "" {
		text, err := os.ReadFile(v.Key)
		if err != nil {
			return nil, err
		}
		_, public, err := readKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Key, err)
		}
		return map[string]*rsa.PublicKey{"the key in " + v.Key: public}, nil
	}
	keyOf, whose := ksher.GatewayPublicKey, "Ksher's key of sign version "
	if v.Sandbox {
		keyOf, whose = sandbox.PublicKey, "the local gateway's key of sign version "
	}
	return map[string]*rsa.PublicKey{whose + "1": keyOf(ksher.SignV1), whose + "2": keyOf(ksher.SignV2)}, nil
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
	members := map[string]json.RawMessage{}
	width := 0
	for _, m := range inner {
		members[string(m.Name)] = json.RawMessage(m.Value.Raw)
		width = max(width, len(m.Name))
	}
	if d.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(members)
	}
	slices.SortFunc(inner, func(a, b wire.Member) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for _, m := range inner {
		fmt.Fprintf(stdout, "%-*s  %q\n", width, m.Name, string(m.Value.Text()))
	}
	return nil
}
