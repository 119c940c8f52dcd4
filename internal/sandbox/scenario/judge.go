package scenario

import (
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// heard tells whether a request got an answer that can be read and believed.
func heard(e *core.Exchange) bool {
	switch e.Fault {
	case "", core.FaultLatency, core.FaultClockSkew:
		return e.Status != 0
	}
	return false
}

// answered tells whether an operation got such an answer, and no refusal.
func answered(h core.Happening, operation string) bool {
	return h.Exchange != nil && h.Exchange.Operation == operation && h.Exchange.Code == "" && heard(h.Exchange)
}

// wantsNotice tells whether the shop gave an address for notifications.
func wantsNotice(o *core.Entry) bool { return o.Notice != nil }

// accepted tells whether the shop has accepted a notification.
func accepted(since []core.Happening) bool {
	return slices.ContainsFunc(since, func(h core.Happening) bool { return h.Post != nil && h.Post.Accepted })
}

// hasAnswer tells whether the shop knows from a query that the order is paid.
func hasAnswer(o *core.Entry, since []core.Happening) bool {
	for _, h := range since {
		if answered(h, queryOf(o)) {
			return true
		}
	}
	return false
}

// judgeNotified expects that the shop accepts the notification after it has asked. unasked
// says what is wrong otherwise.
func judgeNotified(unasked string) func(*core.Tx, *core.Entry, []core.Happening) (Mark, string) {
	return func(_ *core.Tx, o *core.Entry, since []core.Happening) (Mark, string) {
		took := accepted(since)
		switch {
		case !wantsNotice(o) && hasAnswer(o, since):
			return Good, "It asked, and knows of the payment. It gave no address for notifications."
		case !wantsNotice(o):
			return Waiting, "It hasn't asked yet, and gave no address for notifications."
		case took && !hasAnswer(o, since):
			return Bad, unasked
		case took && o.Refunded() > 0:
			return Good, "It accepted the notification, and gave money back."
		case took:
			return Good, "It accepted the notification. Look in the shop what became of the goods."
		case o.Notice.Due.IsZero():
			return Bad, "It accepted no notification, and no more will come."
		}
		return Waiting, "It hasn't accepted a notification yet."
	}
}

func judgeLost(_ *core.Tx, o *core.Entry, since []core.Happening) (Mark, string) {
	if hasAnswer(o, since) {
		return Good, "It asked about the order, and knows that it is paid."
	}
	return Waiting, "It hasn't asked about the order since it was paid."
}

// judgeRefund looks at the first refund that the shop didn't see refused. It is in doubt until
// the shop has an answer about it; refunds after that are others.
func judgeRefund(_ *core.Tx, _ *core.Entry, since []core.Happening) (Mark, string) {
	first := ""
	found := false
	for _, h := range since {
		if h.Exchange == nil {
			continue
		}
		no := h.Exchange.Params.Get("mch_refund_no")
		refund := h.Exchange.Operation == "order_refund"
		switch {
		case found:
		case refund && first == "" && (h.Exchange.Code == "" || !heard(h.Exchange)):
			first, found = no, heard(h.Exchange)
		case refund && first != "" && no != first:
			return Bad, "It asked for a second refund under another number while the first was in doubt: the money may go back twice."
		case refund && first != "":
			found = heard(h.Exchange)
		case first != "" && (no == "" || no == first):
			found = answered(h, "refund_query")
		}
	}
	switch {
	case first == "":
		return Waiting, "Refund the order in the shop now."
	case found:
		return Good, "It found out what became of refund " + first + "."
	}
	return Waiting, "Refund " + first + " is in doubt, and the shop hasn't asked about it yet."
}

func judgeTwice(tx *core.Tx, o *core.Entry, since []core.Happening) (Mark, string) {
	var other *core.Entry
	for _, h := range since {
		if h.Event == nil {
			continue
		}
		if no, found := strings.CutPrefix(h.Event.What, twin); found {
			other = tx.Own(o.AppID, no)
		}
	}
	if other == nil {
		return Waiting, "The other order was forgotten."
	}
	back := 0
	for _, paid := range []*core.Entry{o, other} {
		if paid.State(tx.Now()) == core.Refunded {
			back++
		}
	}
	switch back {
	case 0:
		return Waiting, "Both this order and " + other.MchOrderNo + " are paid, and neither was given back yet."
	case 1:
		return Good, "One of the two payments was given back."
	}
	return Bad, "Both payments were given back."
}

func judgeKey(_ *core.Tx, o *core.Entry, since []core.Happening) (Mark, string) {
	refused, took := false, false
	for _, h := range since {
		if h.Post == nil {
			continue
		}
		switch {
		case h.Post.Fault == core.FaultBadSignature && h.Post.Accepted:
			return Bad, "It accepted a notification whose signature is wrong."
		case h.Post.Fault == core.FaultBadSignature:
			refused = true
		case h.Post.Accepted && refused:
			return Good, "It refused what was signed wrongly, and accepted what came afterwards. Look whether a person was told."
		case h.Post.Accepted:
			took = true
		}
	}
	switch {
	case !wantsNotice(o):
		return Waiting, "It gave no address for notifications."
	case took:
		return Waiting, "It accepted a notification that was signed rightly, because the wrong signatures were called off before. Play it again with another order."
	case o.Notice.Due.IsZero():
		return Bad, "It accepted no notification, and no more will come."
	case refused:
		return Waiting, "It refused what was signed wrongly. It hasn't accepted a right one yet."
	}
	return Waiting, "No notification has gone out yet."
}
