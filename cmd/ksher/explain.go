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
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

type explainCommand struct {
	Text []string `arg:"" optional:"" help:"A code such as KSHER_REFUND_EXPIRE, a whole line from a log, or the name of an alert. Without it, a text is read from standard input; with --all, all codes are explained."`
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
		return nil, errors.New("no code of Ksher's, vip's or Opn's, no line of this library's log and no alert is known there; ksher explain --all lists the codes, and docs/night.md has the lines")
	}
	return found, nil
}

const vipProvider = "vip.ksher.net"

// words are the parts of a text that may be a code.
var words = regexp.MustCompile(`[A-Za-z0-9_]+`)

// explain returns what is known of the codes that a text names, in their order there, each
// once. Codes of single words that are common in any text count only by themselves, and vip's
// where an error of the package vip has them.
func explain(all []explanation, text string) (found []explanation) {
	names := words.FindAllString(text, -1)
	for _, name := range names {
		for _, x := range all {
			said := name == x.Code || len(names) == 1 && strings.EqualFold(name, x.Code)
			rare := strings.Contains(x.Code, "_") || x.Provider == "Ksher" || len(names) == 1
			rare = rare || x.Provider == vipProvider && strings.Contains(text, "vip: ") && strings.Contains(text, "answered "+x.Code)
			if said && rare && !slices.Contains(found, x) {
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
		c.Provider = vipProvider
		all = append(all, c)
	}
	for _, code := range opn.FailureCodes() {
		info, _ := code.Info()
		all = append(all, explanation{Code: string(code), Provider: "Opn Payments", Meaning: info.Meaning, Action: string(info.Action)})
	}
	return append(all,
		explanation{Code: "authentication_failure", Provider: "Opn Payments", Meaning: "the key isn't the one that the call is made with",
			Solution: "Charges and queries take the secret key, sources the public one; see that both are of this account, and both for tests or both live."},
		explanation{Code: "invalid_charge", Provider: "Opn Payments", Meaning: "the charge isn't acceptable, for instance because its amount isn't the source's, or the source was charged already",
			Solution: "Ask whether there is a charge already before you make another source."},
		explanation{Code: "PAYMENT_IN_PROCESS", Provider: "Ksher", Meaning: "the buyer is typing a PIN, so the payment isn't decided yet",
			Solution: "Ask again until it is paid or has failed: ksher order show. Don't charge again meanwhile: docs/tills.md."},
	)
}

// outcomes are what the library itself says in an error, a line of its log or an alert. What
// docs/night.md has an entry for is here in a sentence.
func outcomes() []explanation {
	found := []explanation{
		{Code: ksher.ErrOutcomeUnknown.Error(), Meaning: "it may have been carried out", Solution: "Call Resolve with the request, and never send it under a new number: docs/doubt.md."},
		{Code: ksher.ErrNeedsPerson.Error(), Meaning: "no program can decide it", Solution: "Look at the order on Ksher's merchant platform: docs/night.md."},
		{Code: ksher.ErrInProgress.Error(), Meaning: "another process is at the same payment", Solution: "Nothing: it comes again."},
		{Code: ksher.ErrOtherOrder.Error(), Meaning: "the answer is rightly signed, and its order, amount or currency isn't the one that was expected", Solution: "Hand out nothing; correct the books if they are wrong: docs/night.md, 3."},
		{Code: ksher.ErrNotPaid.Error(), Meaning: "the gateway says so; unless the order has ended, it may still be paid", Solution: "Hand out nothing, and ask again: ksher order show."},
		{Code: ksher.ErrNotFound.Error(), Meaning: "the gateway doesn't know the number at this host and for this merchant", Solution: "Compare number, app ID and --host: an order with a checkout page is at gateway, any other at merchant."},
		{Code: ksher.ErrDuplicate.Error(), Meaning: "the gateway has the number already, perhaps from an earlier try of the same request", Solution: "Ask what became of that before you use a new number: ksher order show, ksher refunds or ksher payout show."},
		{Code: " was not sent", Meaning: "the library refused the request before anything was sent", Solution: "Correct the fields that the error names."},
		{Code: "outcome=unknown", Meaning: inDoubt, Solution: askAgain},
		{Code: `"outcome":"unknown"`, Meaning: inDoubt, Solution: askAgain},
		{Code: "It may have been carried out all the same", Meaning: inDoubt, Solution: askAgain},
		{Code: "outcome=failed", Meaning: noAnswer, Solution: waitForKsher},
		{Code: `"outcome":"failed"`, Meaning: noAnswer, Solution: waitForKsher},
		{Code: "certificate has expired or is not yet valid", Meaning: "the clock of the machine may be off by weeks", Solution: "Compare date -u with another clock, and switch NTP on: docs/night.md, 12."},
		{Code: "the time for paying the order is over", Meaning: "if the order was just made, its end was computed by another clock or zone", Solution: "Ask ksher order show before you take it for unpaid: docs/night.md, 12."},
		{Code: "the gateway speaks of order", Meaning: "it is paid, but not over what the books have", Solution: "Correct the books if they are wrong, or refund it; hand out nothing before: docs/night.md, 3."},
		{Code: "it was also paid at the ", Meaning: "one number was used at both hosts, and the buyer paid twice", Solution: "Refund the payment that the books don't have: ksher refund with its --host: docs/night.md, 4."},
		{Code: "it is not signed for this merchant", Meaning: "one now and then is a stranger; if all are refused, key, app ID or sign version is wrong, or something changes the body", Solution: "Ask ksher doctor, and compare the settings with the merchant platform: docs/night.md, 5."},
		{Code: "the merchant has no such order", Meaning: "the shop's lookup doesn't know the number", Solution: "See whether the order's row was written too late, or into another database: docs/night.md, 6."},
		{Code: "the merchant's function failed", Meaning: "the payment is known, and the shop's own function returned an error or panicked: cause says which", Solution: "Mend that; the order is tried again by itself: docs/night.md, 7."},
		{Code: "ksher payment needs a person", Meaning: "the shop hasn't booked the payment; problem says why", Solution: "Do what docs/night.md has for that problem: 3, 4 or 7. Never mark the order paid by hand."},
		{Code: "a key is weak", Meaning: "a key of 512 bits can be factored in hours; this isn't tonight's problem", Solution: "Ask Ksher for a longer key and sign version 2: docs/night.md, 10."},
		{Code: "the queue didn't take it", Meaning: "the shop's job queue takes nothing; Ksher sends the notification again for 29 hours", Solution: "Mend the queue: docs/night.md, 11."},
		{Code: "ksher notification accepted", Meaning: "the queue has the notification; what deals with it is a worker", Solution: "If the order stays open, see that workers run: docs/night.md, 11."},
		{Code: "a channel is unknown to this library", Meaning: "usually it is spelled wrong, and nearest is what was meant", Solution: "Correct it where the program sets its channels: docs/night.md, 13."},
		{Code: "KsherDoubtfulRequest", Meaning: "a refund or a payout may or may not have been carried out", Solution: "Look for outcome=unknown in the log: docs/night.md, 1 and 2."},
		{Code: "KsherOldOpenOrder", Meaning: "an order has been open for more than a day, or the list of open orders can't be read", Solution: "Look for the order's number in the log: docs/night.md, Alerts."},
		{Code: "KsherFailedNotifications", Meaning: "buyers have paid, and the shop couldn't deal with the notifications", Solution: "Look for notification refused in the log: docs/night.md, 7 and 8."},
		{Code: "KsherRefusedNotifications", Meaning: "notifications were forged, or not this shop's", Solution: "Look for notification refused in the log: docs/night.md, 5 and 6."},
		{Code: "KsherNoSuccessfulQuery", Meaning: "orders are open, and Ksher has answered no query for 15 minutes", Solution: "Look for outcome=failed and outcome=refused in the log: docs/night.md, 8 and 9."},
	}
	found = append(found, unbelieved()...)
	for i := range found {
		found[i].Provider = "this library"
	}
	return found
}

// unbelieved are the errors about answers that can't be read or believed, each of which says
// in its own words what is wrong.
func unbelieved() (found []explanation) {
	for _, err := range []error{
		fault.ErrSignature, fault.ErrSignatureMissing, fault.ErrSignatureMalformed, fault.ErrSignatureMismatch,
	} {
		found = append(found, explanation{
			Code: err.Error(), Meaning: "the answer isn't signed by Ksher, so it isn't believed",
			Solution: "Look at proxies between you and Ksher, and at the sign version.",
		})
	}
	for _, err := range []error{
		fault.ErrBadAnswer, fault.ErrHTTPStatus, fault.ErrRedirect, fault.ErrTooLarge, fault.ErrEmptyBody,
		fault.ErrNotJSON, fault.ErrTruncatedJSON, fault.ErrEnvelope, fault.ErrNoData, fault.ErrField,
	} {
		found = append(found, explanation{
			Code: err.Error(), Meaning: "what came back isn't an answer of Ksher's in due form; the error says why",
			Solution: "Look at proxies between you and Ksher: ksher doctor. Of a request that changes something, ask what became of it: docs/doubt.md.",
		})
	}
	return found
}

const (
	inDoubt  = "a refund, a charge, a cancellation or a payout may or may not have been carried out"
	askAgain = "Ask before anything is sent, and never use a new number. A refund: the same ksher refund with the same --refund-no, which isn't made twice. " +
		"A payout: ksher payout show with --amount, and pay nothing. Anything else: ksher order show. docs/night.md, 1 and 2."
	noAnswer     = "Ksher, or the way to it, is down, or nothing could be sent; cause says which"
	waitForKsher = "Nothing is lost, and nobody is unpaid because of it: ksher doctor tells where it fails. docs/night.md, 8 and 12."
)

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
