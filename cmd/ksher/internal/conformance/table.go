package conformance

import (
	"context"
	"slices"
)

// attack is an attack or an accident.
type attack struct {
	name, title string
	// why it matters, and what to do about it.
	why, do string
	needs   need
	// run tries it on the shop, and says what the shop did wrong. The error isn't the shop's.
	run func(t *trial, ctx context.Context) (seen string, err error)
}

func attacks() []attack {
	return slices.Concat(payments(), repetitions(), forgeries(), claims(), differences(), forms(), accidents())
}

// payments are what a shop has to accept.
func payments() []attack {
	const lost = "Ksher sends it 12 more times in 29 hours, and then never again: the buyer has paid and gets nothing."
	return []attack{
		{"paid", "an order is paid, and Ksher says so", lost,
			`Check the signature, ask the gateway about the order, compare the amount with your books, fulfil it, and answer HTTP 200 with {"result":"SUCCESS","msg":"OK"}.`,
			needOrder, func(t *trial, ctx context.Context) (string, error) { return t.inForm(ctx, textForm) }},
		{"json-type", "the same as application/json", lost,
			"Read the body yourself, whatever its content type is, before a framework does.",
			needOrder, func(t *trial, ctx context.Context) (string, error) { return t.inForm(ctx, jsonForm) }},
		{"percent-encoded", "the same percent-encoded", "Ksher's own sample in PHP decodes the body first, so it may come that way. " + lost,
			"Decode the body as a form's value, + being a space, if it begins with a percent sign.",
			needOrder, func(t *trial, ctx context.Context) (string, error) { return t.inForm(ctx, encodedForm) }},
	}
}

// repetitions are notifications that come more than once.
func repetitions() []attack {
	const do = "Note in the same database transaction that the payment is done and what follows from it, under a unique key of the order's number, and answer SUCCESS if the note is there."
	return []attack{
		{"repeated", "the same notification three times", "Ksher repeats a notification whose answer got lost: the buyer gets the goods as many times.", do,
			needOrder | needState, (*trial).repeated},
		{"at-once", "twenty copies at the same moment", "Two copies can be under way at once, and a look before the note lets both through.", do,
			needOrder | needState, (*trial).atOnce},
		{"killed", "the shop is killed right after it said SUCCESS", "What it said SUCCESS to never comes again. What only memory had is lost, and what only memory noted is done twice.",
			"Answer SUCCESS after the payment is committed to a database or a durable queue, not before.",
			needOrder | needState | needRestart, (*trial).killed},
	}
}

// forgeries are signed wrongly.
func forgeries() []attack {
	const do = "Verify the signature of data with Ksher's public key, over every member of data, and refuse anything else."
	return []attack{
		{"forged-signature", "a signature that nobody made", "Anybody who finds the address can post to it.", do,
			needOrder, func(t *trial, ctx context.Context) (string, error) { return t.badlySigned(ctx, forged) }},
		{"other-key", "signed with another key, the merchant's own", "A key that isn't Ksher's proves nothing.", do,
			needOrder, func(t *trial, ctx context.Context) (string, error) { return t.badlySigned(ctx, byOtherKey) }},
		{"borrowed-signature", "the signature of an older notification under an unpaid order", "Whoever has paid once has a genuine signature.", do,
			needOrder, (*trial).borrowed},
	}
}

// claims are signed rightly, and aren't true.
func claims() []attack {
	const do = "Ask the gateway about the order (gateway_order_query or order_query) before you fulfil it, and fulfil it only if the answer says SUCCESS."
	const weak = "Ksher's usual key has 512 bits, and can be factored for about a hundred dollars: a right signature alone proves little."
	return []attack{
		{"unpaid", "an unpaid order claimed paid, signed rightly", weak, do,
			needOrder | queues, func(t *trial, ctx context.Context) (string, error) { return t.claimed(ctx, nil) }},
		{"recut", "another merchant's payment whose signed text was cut up into yours", "Nothing stands between the parameters in the signed text, so that one genuine signature fits several meanings.", do,
			needOrder | queues, (*trial).recut},
		{"unpaid-answer", "a genuine answer which says that the order isn't paid", "The answer to a query is signed as a notification is, and its code is 0, too.",
			"Look at result, in the notification and in the gateway's answer: only SUCCESS is paid.",
			needOrder | queues, (*trial).unpaidAnswer},
		{"cancelled", "a cancelled or expired order claimed paid", "What was cancelled isn't paid, and its goods may be sold to somebody else.", do,
			needOrder | queues, func(t *trial, ctx context.Context) (string, error) { return t.claimed(ctx, t.cancel) }},
		{"failed", "an order whose payment failed, claimed paid", "The buyer got no further than trying.", do,
			needOrder | queues, func(t *trial, ctx context.Context) (string, error) { return t.claimed(ctx, t.fail) }},
		{"refunded", "an order that was refunded before its notification came", "A notification can come hours late, and the money has gone back.", do,
			needOrder | queues, (*trial).refunded},
		{"two-numbers", "one payment shown under two order numbers", "The buyer of one order gets two.", do,
			needOrder | queues, (*trial).twoNumbers},
		{"other-app", "a payment to another merchant, of the same order number", "Every merchant may use your numbers, and each can have Ksher sign for them.",
			"Compare appid with your own, and ask the gateway.", needOrder | queues, (*trial).otherApp},
		{"unknown", "an order number that the shop doesn't have", "SUCCESS keeps Ksher from repeating it, so that an order whose row isn't committed yet is lost; and whoever chooses the number can make your shop ask.",
			"Look the number up in your books first, and refuse what isn't there.", queues, (*trial).unknown},
	}
}

// differences are payments over something else than the shop's books have.
func differences() []attack {
	const do = "Compare total_fee, in cents, and fee_type of the gateway's answer with what your books expect, and tell a person if they differ."
	return []attack{
		{"wrong-amount", "the order is paid, over another amount", "A price that changed, or a form that the buyer changed: the goods go out for less.", do,
			needOrder | queues, func(t *trial, ctx context.Context) (string, error) { return t.repriced(ctx, otherAmount) }},
		{"wrong-currency", "the order is paid, in another currency", "150 JPY aren't 150 THB.", do,
			needOrder | queues, func(t *trial, ctx context.Context) (string, error) { return t.repriced(ctx, otherCurrency) }},
	}
}

// forms are bodies that are no notification.
func forms() []attack {
	const why = "SUCCESS ends the repetitions, so that what was garbled on the way is lost."
	const do = "Answer SUCCESS only for a body that is read whole, signed rightly and done; anything else gets another answer."
	spoiled := func(name, title, why, do string, spoil func([]byte) (method, contentType string, _ []byte)) attack {
		return attack{name, title, why, do, 0, func(t *trial, ctx context.Context) (string, error) { return t.spoiled(ctx, spoil) }}
	}
	return []attack{
		spoiled("form-encoded", "the body as a form", why, do, asForm),
		spoiled("truncated", "half of the body", why, do, truncated),
		spoiled("empty", "an empty body", "A middleware that reads the body first leaves an empty one. "+why, do, empty),
		spoiled("not-utf8", "a body that isn't UTF-8", why, do, notUTF8),
		{"too-large", "a body of 2 MiB", "Bodies without a limit fill the memory of the shop.",
			"Stop reading after 64 KiB, and refuse it.", 0, (*trial).tooLarge},
		spoiled("get", "a GET", "A crawler or a health check isn't a payment.", "Take POST only.", asGet),
	}
}

// accidents are what happens around a notification.
func accidents() []attack {
	return []attack{
		{"slow", "four bodies that don't come to their end, and a payment meanwhile", "A stranger with four connections keeps the shop from hearing of payments.",
			"Serve several requests at once, and limit how long a body may take, to ten seconds or so.", needOrder, (*trial).slow},
		{"gateway-down", "the gateway doesn't answer, and is back later", "SUCCESS without having asked is a guess; and a refusal for good loses the payment.",
			"If the gateway can't be asked, answer anything but SUCCESS, and handle the repetition as if it were the first.", needOrder | queues, (*trial).gatewayDown},
	}
}
