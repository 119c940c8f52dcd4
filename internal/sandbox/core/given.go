package core

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
)

// Hosts of an order in a file.
const (
	gatewayPay   = "gateway"
	merchantHost = "merchant"
)

// AddOrders adds the orders of a file, which docs/other-languages.md describes, in the states
// that it gives them, and tells how many. What has happened to them isn't announced. If one
// of them can't be added none is, and the error names the line and the member.
func (g *Gateway) AddOrders(file []byte) (n int, err error) {
	given, n, err := readOrders(file, g.config.MaxOrders)
	if err != nil {
		return 0, err
	}
	if n > g.config.MaxOrders {
		return 0, fmt.Errorf("the file has %d orders, and the gateway has room for %d", n, g.config.MaxOrders)
	}
	g.Do(func(tx *Tx) {
		used := make(map[number]bool)
		var entries []*Entry
		for _, o := range given {
			e, wrong := o.entry(tx, used)
			if wrong != nil {
				err = wrong
				return
			}
			entries = append(entries, e)
		}
		for _, e := range entries {
			tx.addGiven(e)
		}
		err = tx.Save()
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// entry is the order that is given, without the gateway's numbers. used has the numbers of
// those before it.
func (o *givenOrder) entry(tx *Tx, used map[number]bool) (*Entry, error) {
	appID, now := cmp.Or(o.AppID, AppID), tx.Now()
	own := number{appID, "own", o.MchOrderNo}
	switch {
	case tx.g.merchants[appID] == nil:
		return nil, o.wrong("appid", "there is no merchant %q", appID)
	case o.MchOrderNo == "" || utf8.RuneCountInString(o.MchOrderNo) > 32:
		return nil, o.wrong("mch_order_no", "it has to have 1 to 32 characters")
	case used[own] || tx.Own(appID, o.MchOrderNo) != nil:
		return nil, o.wrong("mch_order_no", "there is an order %q already", o.MchOrderNo)
	case o.Host != "" && o.Host != gatewayPay && o.Host != merchantHost:
		return nil, o.wrong("host", "there are %q and %q", gatewayPay, merchantHost)
	case o.TotalFee <= 0:
		return nil, o.wrong("total_fee", "it has to be a positive number of cents")
	}
	used[own] = true
	e := &Entry{
		AppID: appID, MchOrderNo: o.MchOrderNo, Gateway: o.Host != merchantHost, Total: ksher.Amount(o.TotalFee),
		FeeType: cmp.Or(o.FeeType, tx.Terms(appID).Currency()), Settled: o.Settled,
	}
	if !tx.Terms(appID).Takes(e.FeeType) {
		return nil, o.wrong("fee_type", "the merchant %s has no orders in %q", appID, e.FeeType)
	}
	if err := o.channels(tx, e); err != nil {
		return nil, err
	}
	if err := o.times(e, now); err != nil {
		return nil, err
	}
	if err := o.refunds(tx, e, used); err != nil {
		return nil, err
	}
	if s, want := e.State(now), cmp.Or(o.State, Created); s != want {
		return nil, o.wrong("state", "it is %q, and by the other members the order is %q", want, s)
	}
	return e, o.params(e)
}

// channels gives an order those that the buyer can choose from, and the one chosen.
func (o *givenOrder) channels(tx *Tx, e *Entry) error {
	e.Channels = o.Channels
	member := "channels"
	if len(e.Channels) == 0 {
		e.Channels, member = []ksher.Channel{o.Channel}, "channel"
	}
	for _, c := range e.Channels {
		if _, known := c.Info(); !known || !tx.Terms(e.AppID).Offers(c) {
			return o.wrong(member, "the merchant %s has no channel %q", e.AppID, c)
		}
	}
	if !e.Gateway && len(e.Channels) > 1 {
		return o.wrong("channels", "an order at the merchant host has one channel")
	}
	chosen := cmp.Or(o.Channel, e.Channels[0])
	if !slices.Contains(e.Channels, chosen) {
		return o.wrong("channel", "%q isn't among the channels", chosen)
	}
	switch cmp.Or(o.State, Created) {
	case Created, Expired, Cancelled: // Nobody has chosen.
	case InProgress, Failed, Paid, RefundedInPart, Refunded:
		e.Channel = chosen
	default:
		return o.wrong("state", "there is no state %q", o.State)
	}
	return nil
}

// times gives an order its times, and the state as far as it is of its own.
func (o *givenOrder) times(e *Entry, now time.Time) error {
	e.PaidAt, e.Expires = o.PaidAt, o.Expires
	e.Created = now
	if !o.PaidAt.IsZero() {
		e.Created = o.PaidAt
	}
	if !o.Created.IsZero() {
		e.Created = o.Created
	}
	if expiry := InfoOf(e.Channels[0]).NativePayExpiry; !e.Gateway && o.Expires.IsZero() && expiry > 0 {
		e.Expires = e.Created.Add(expiry)
	}
	switch o.State {
	case InProgress:
		e.InProgress = true
	case Failed:
		e.Failed = true
	case Cancelled:
		e.Cancelled = true
	case Expired:
		if o.Expires.IsZero() {
			e.Expires = now
		}
	case Paid, RefundedInPart, Refunded:
		if o.PaidAt.IsZero() {
			e.PaidAt = e.Created
		}
	}
	switch {
	case o.PaidAt.After(now) || !e.PaidAt.IsZero() && e.PaidAt.Before(e.Created):
		return o.wrong("paid_at", "it has to be between created and the gateway's time, which is %s", now.In(Zone).Format(time.RFC3339))
	case e.Created.After(now):
		return o.wrong("created", "it is after the gateway's time, which is %s", now.In(Zone).Format(time.RFC3339))
	case !e.Expires.IsZero() && e.Expires.Before(e.Created):
		return o.wrong("expires", "it is before created")
	case e.Settled && e.PaidAt.IsZero():
		return o.wrong("settled", "the order isn't paid")
	}
	return nil
}

// refunds gives an order its refunds, without the gateway's numbers.
func (o *givenOrder) refunds(tx *Tx, e *Entry, used map[number]bool) error {
	zone := tx.Terms(e.AppID).Location()
	for _, r := range o.Refunds {
		no := number{e.AppID, "refund", r.MchRefundNo}
		at := r.RefundTime
		if at.IsZero() {
			at = e.PaidAt
		}
		switch {
		case e.PaidAt.IsZero():
			return r.wrong("refund_fee", "the order isn't paid")
		case used[no] || tx.g.refundNos[no]:
			return r.wrong("mch_refund_no", "there is a refund %q already", r.MchRefundNo)
		case r.RefundFee <= 0 || ksher.Amount(r.RefundFee) > e.Total-e.Refunded():
			return r.wrong("refund_fee", "it has to be a number of cents from 1 to %d, which are left", int64(e.Total-e.Refunded()))
		case at.Before(e.PaidAt) || at.After(tx.Now()):
			return r.wrong("refund_time", "it has to be between paid_at and the gateway's time")
		}
		used[no] = true
		e.Refunds = append(e.Refunds, ksher.Refund{
			MchRefundNo: r.MchRefundNo, MchRefundFee: ksher.Amount(r.RefundFee), RefundState: "REFUNDSUCCESS", RefundTime: at.In(zone),
		})
	}
	return nil
}

// params gives an order those of the request that would have made it.
func (o *givenOrder) params(e *Entry) error {
	e.Params = make(url.Values)
	for name, value := range o.Params {
		e.Params.Set(name, value)
	}
	own := map[string]string{
		"appid": e.AppID, "mch_order_no": e.MchOrderNo, "total_fee": strconv.FormatInt(o.TotalFee, 10), "fee_type": e.FeeType, "channel": string(e.Channels[0]),
	}
	if e.Gateway {
		delete(own, "channel")
		own["channel_list"] = joined(e.Channels)
	}
	for name, value := range own {
		if e.Params.Has(name) {
			return o.wrong("params", "%s follows from the order's other members", name)
		}
		e.Params.Set(name, value)
	}
	return nil
}

func joined(channels []ksher.Channel) (list string) {
	for i, c := range channels {
		if i > 0 {
			list += ","
		}
		list += string(c)
	}
	return list
}

// addGiven adds an order that has a past, which its merchant isn't told of.
func (tx *Tx) addGiven(e *Entry) {
	g, created := tx.g, e.Created
	e.UUID = tx.NewUUID()
	if !e.PaidAt.IsZero() {
		e.ChannelOrderNo = g.nextNo("4200", 28)
	}
	for i := range e.Refunds {
		e.Refunds[i].KsherRefundNo, e.Refunds[i].ChannelRefundNo = g.nextNo("900", 23), g.nextNo("5020", 28)
	}
	tx.Add(e)
	e.Created, e.History[0].At = created, created
	if !e.PaidAt.IsZero() {
		e.note(e.PaidAt, "paid by %s", e.Channel)
	}
	for _, r := range e.Refunds {
		e.note(r.RefundTime, "refunded %v %s under %s", r.MchRefundFee, e.FeeType, r.MchRefundNo)
	}
	e.note(tx.Now(), "added from a file, %s", e.State(tx.Now()))
	if p := g.notifier(e); p != nil {
		// It can be delivered, but isn't due.
		e.Notice, e.Told = p.News(e, tx.Now())
	}
}
