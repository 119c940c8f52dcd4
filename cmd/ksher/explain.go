package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

type explainCommand struct {
	Text []string `arg:"" optional:"" help:"A code such as KSHER_REFUND_EXPIRE, or a whole line from a log. Without it, a text is read from standard input; with --all, all codes are explained."`
	All  bool     `help:"Explain all documented codes."`
	JSON bool     `help:"Print a list of JSON objects: code, provider, meaning, reason, solution, action."`
}

// explanation is what is known of a code.
type explanation struct {
	Code     string `json:"code"`
	Provider string `json:"provider"`
	Meaning  string `json:"meaning"`
	Reason   string `json:"reason,omitzero"`
	Solution string `json:"solution,omitzero"`
	Action   string `json:"action,omitzero"`
}

// Run explains codes.
func (e *explainCommand) Run(stdin io.Reader, stdout io.Writer) error {
	found, err := e.find(stdin)
	if err != nil {
		return err
	}
	if e.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(found)
	}
	for i, x := range found {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		x.print(stdout)
	}
	return nil
}

func (e *explainCommand) find(stdin io.Reader) ([]explanation, error) {
	all := explanations()
	if e.All {
		return all, nil
	}
	text := strings.Join(e.Text, " ")
	if len(e.Text) == 0 {
		read, err := textFile{}.read(stdin)
		if err != nil {
			return nil, err
		}
		text = string(read)
	}
	found := explain(all, text)
	if len(found) == 0 {
		return nil, errors.New("no code of Ksher's or Opn's and no outcome is named there; ksher explain --all lists what there is")
	}
	return found, nil
}

// words are the parts of a text that may be a code.
var words = regexp.MustCompile(`[A-Za-z0-9_]+`)

// explain returns what is known of the codes that a text names, in their order there, each
// once. Codes of single words that are common in any text count only by themselves.
func explain(all []explanation, text string) (found []explanation) {
	names := words.FindAllString(text, -1)
	for _, name := range names {
		for _, x := range all {
			said := name == x.Code || len(names) == 1 && strings.EqualFold(name, x.Code)
			if said && (strings.Contains(x.Code, "_") || x.Provider == "Ksher" || len(names) == 1) && !slices.Contains(found, x) {
				found = append(found, x)
			}
		}
	}
	for _, o := range outcomes() {
		if strings.Contains(text, o.Code) {
			found = append(found, o)
		}
	}
	return found
}

// explanations has every documented code.
func explanations() []explanation {
	var all []explanation
	for _, code := range ksher.Codes() {
		info, _ := code.Info()
		all = append(all, explanation{string(code), "Ksher", info.Meaning, info.Reason, info.Solution, string(info.Action)})
	}
	for _, c := range []explanation{
		{Code: string(vip.CodeSuccess), Meaning: "the request was carried out"},
		{Code: string(vip.CodePending), Meaning: "it isn't decided yet", Solution: "Query the order again."},
		{Code: string(vip.CodeFail), Meaning: "the request was refused", Solution: "Query the order: a charge that was refused may have been made before."},
		{Code: string(vip.CodeRefunded), Meaning: "the refund was carried out"},
		{Code: string(vip.CodeUnknown), Meaning: "the gateway doesn't know what the request names, such as a sub-merchant"},
	} {
		c.Provider = "vip.ksher.net"
		all = append(all, c)
	}
	for _, code := range opn.FailureCodes() {
		info, _ := code.Info()
		all = append(all, explanation{Code: string(code), Provider: "Opn Payments", Meaning: info.Meaning, Action: string(info.Action)})
	}
	return all
}

// outcomes are what the library itself says in an error or a line of its log.
func outcomes() []explanation {
	return []explanation{
		{Code: ksher.ErrOutcomeUnknown.Error(), Provider: "this library", Meaning: "it may have been carried out", Solution: "Call Resolve with the request, and never send it under a new number: docs/doubt.md."},
		{Code: ksher.ErrNeedsPerson.Error(), Provider: "this library", Meaning: "no program can decide it", Solution: "Look at the order on Ksher's merchant platform: docs/night.md."},
		{Code: ksher.ErrInProgress.Error(), Provider: "this library", Meaning: "another process is at the same payment", Solution: "Nothing: it comes again."},
		{Code: ksher.ErrSignature.Error(), Provider: "this library", Meaning: "the answer isn't signed by Ksher, so it isn't believed", Solution: "Look at proxies between you and Ksher, and at the sign version."},
	}
}

func (x explanation) print(w io.Writer) {
	fmt.Fprintf(w, "%s (%s)\n", x.Code, x.Provider)
	for _, line := range []struct{ name, text string }{
		{"Meaning", x.Meaning}, {"Reason", x.Reason}, {"What to do", x.Solution}, {"For a program", x.Action},
	} {
		if line.text != "" {
			fmt.Fprintf(w, "  %-14s %s\n", line.name+":", line.text)
		}
	}
}
