package story

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// clockTime is how the story writes a time.
func clockTime(t time.Time) string { return t.In(core.Zone).Format("2 Jan 15:04:05") }

// verdict says how an order stands, and why its shop may not know of a payment.
func verdict(s Story, o *core.Entry, now time.Time) (text string, tone Tone) {
	if o.PaidAt.IsZero() {
		text, tone = unpaid(s, o)
	} else {
		text, tone = paid(s, o, now)
	}
	faults := 0
	for _, step := range s.Steps {
		if step.Fault != "" {
			faults++
		}
	}
	switch faults {
	case 0:
	case 1:
		text += " One step has an injected fault."
	default:
		text += fmt.Sprintf(" %d steps have injected faults.", faults)
	}
	return text, tone
}

func unpaid(s Story, o *core.Entry) (string, Tone) {
	text, tone := "", Bad
	switch s.State {
	case core.Failed:
		text = "Not paid: the payment failed."
	case core.Expired:
		text = "Not paid: the time to pay ended."
	case core.Cancelled:
		text = "Not paid: the order was cancelled."
		if slices.ContainsFunc(o.Channels, o.Savable) {
			text += " A buyer who saved its QR code can still pay it."
		}
	case core.InProgress:
		text, tone = "Not paid yet: the buyer is paying. Ask until it is known.", Wait
		if o.Payout {
			text = "Not paid out yet: the money is on its way."
		}
	default:
		text, tone = "Not paid yet: nobody has paid.", Wait
	}
	if last := s.last(Request); last != nil && strings.HasPrefix(last.Outcome, "refused") {
		text += " The last request about it, " + last.Label + ", was " + last.Outcome + "."
		tone = Bad
	}
	return text, tone
}

func (s Story) last(kind Kind) *Step {
	for i := range slices.Backward(s.Steps) {
		if s.Steps[i].Kind == kind {
			return &s.Steps[i]
		}
	}
	return nil
}

// paid is the verdict on an order that is paid: whether its shop can know.
func paid(s Story, o *core.Entry, now time.Time) (string, Tone) {
	text := "Paid"
	switch {
	case o.Payout:
		return "Paid out.", Good
	case o.Cancelled:
		text = "Paid after it was cancelled"
	}
	var attempts []Step
	asked := false
	at := slices.IndexFunc(s.Steps, func(step Step) bool { return step.Kind == Payment && step.From == Buyer && step.To == Gateway })
	for _, step := range s.Steps[max(at, 0):] {
		if step.Kind == Notification {
			attempts = append(attempts, step)
			if step.Tone == Good {
				n := len(attempts)
				return fmt.Sprintf("%s, and your shop accepted the notification%s.", text, map[bool]string{true: fmt.Sprintf(" at attempt %d", n)}[n > 1]), Good
			}
		}
		if step.Kind == Request && step.Tone == Good && strings.Contains(step.Label, "query") && (step.Outcome == "accepted: SUCCESS" || step.Outcome == "accepted: Paid") {
			asked = true
		}
	}
	text, tone := text+", but "+unheard(attempts, o, now), Bad
	if asked {
		text, tone = text+" Your shop was told so when it asked.", Wait
	}
	return text, tone
}

// unheard says why no notification has reached a shop.
func unheard(attempts []Step, o *core.Entry, now time.Time) string {
	next := " No attempt follows."
	if o.Notice != nil && !o.Notice.Due.IsZero() {
		next = " The next attempt is due at " + clockTime(o.Notice.Due) + "."
	}
	switch {
	case len(attempts) == 1:
		return "your shop hasn't accepted the notification: " + attempts[0].Outcome + "." + next
	case len(attempts) > 1:
		return fmt.Sprintf("your shop has accepted none of %d notifications. The last: %s.%s", len(attempts), attempts[len(attempts)-1].Outcome, next)
	case o.Notice != nil && !o.Notice.Due.After(now):
		return "the notification hasn't gone out yet."
	case o.Notice != nil:
		return "the notification hasn't gone out yet." + next
	case o.API != "":
		return "no address for notifications is registered."
	case o.Params.Get("mch_notify_url") == "" && o.Params.Get("notify_url") == "":
		return "the order has no address for notifications: only a query finds the payment."
	}
	return "too long after it was created for a notification: only a query finds the payment."
}
