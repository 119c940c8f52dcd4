package sandbox

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/wire"
)

// vipReportRows is how many rows a report has at once.
const vipReportRows = 50

func vipReportOperations() []*vipOperation {
	const root = "/api/v1/finance/settlements/"
	add := func(name, path string, serve func(*Gateway, *vipCall) *vipAnswer, fields ...vipField) *vipOperation {
		return &vipOperation{"vip " + name, http.MethodGet, root + path, append(fields, required(scalarField("timestamp"))), serve}
	}
	mid, channel := required(textField("mid")), textField("channel")
	offset, limit := wholeField("offset", wire.String, 0, 0), wholeField("limit", wire.String, 1, vipReportRows)
	return []*vipOperation{
		add("channels", "channels", (*Gateway).vipChannels, mid),
		add("transactions", "order/{id}", ofDay((*Gateway).vipTransactions), mid, offset, limit, channel),
		add("settlement", "{id}", ofDay((*Gateway).vipSettlement), mid, required(channel)),
		add("settlement orders", "settlement_order", (*Gateway).vipSettlementOrders, required(textField("reference_id")), offset, limit),
	}
}

// vipReport is the answer to a report.
type vipReport struct {
	Data any `json:"data,omitempty"`
	vipOutcome
}

func report(data any) *vipAnswer {
	r := &vipReport{Data: data}
	r.outcome("SUCCESS", "")
	return &vipAnswer{body: r}
}

// vipChannels lists the channels. What this answer looks like isn't documented.
func (g *Gateway) vipChannels(*vipCall) *vipAnswer {
	channels := []ksher.Channel{}
	for _, info := range ksher.Channels() {
		channels = append(channels, info.Channel)
	}
	return report(channels)
}

// vipDay is how a path writes a day.
const vipDay = "20060102"

// ofDay serves a report about the day in the path.
func ofDay(serve func(*Gateway, *vipCall) *vipAnswer) func(*Gateway, *vipCall) *vipAnswer {
	return func(g *Gateway, c *vipCall) *vipAnswer {
		if _, err := time.Parse(vipDay, c.id); err != nil {
			return badRequest([][2]string{{"date", "Not a valid date."}})
		}
		return serve(g, c)
	}
}

// vipRow is a payment or a refund in a report.
type vipRow struct {
	Amount          ksher.Amount `json:"amount"`
	TransactionTime vipText      `json:"transaction_time"`
	Type            vipText      `json:"type"`
	Channel         vipText      `json:"channel"`
	DeviceID        vipText      `json:"device_id"`
	OperatorID      vipText      `json:"operator_id"`
	OperatorName    vipText      `json:"operator_name"`
	Currency        vipText      `json:"currency"`
	OrderID         vipText      `json:"order_id"`
	KsherOrderID    vipText      `json:"ksher_order_id"`

	at      time.Time
	settled bool
}

// vipRows are the payments and refunds of a day, the oldest first, of one channel
// unless that is "".
func (g *Gateway) vipRows(day, channel string) []vipRow {
	rows := []vipRow{}
	for _, o := range g.list {
		if o.VIP == "" || o.PaidAt.IsZero() || channel != "" && channel != string(o.Channel) {
			continue
		}
		add := func(at time.Time, kind string, fee ksher.Amount, own, theirs string) {
			if at.In(zone).Format(vipDay) != day {
				return
			}
			rows = append(rows, vipRow{
				Amount: fee, TransactionTime: vipTime(at), Type: vipText(kind), Channel: vipText(o.Channel),
				DeviceID: vipText(o.Params.Get("device_id")), OperatorID: vipText(o.Params.Get("operator_id")),
				Currency: vipText(o.FeeType), OrderID: vipText(own), KsherOrderID: vipText(theirs), at: at, settled: o.Settled,
			})
		}
		add(o.PaidAt, "Sale", o.Total, o.MchOrderNo, o.KsherOrderNo)
		for _, r := range o.Refunds {
			add(r.RefundTime, "Refund", -r.MchRefundFee, r.MchRefundNo, r.KsherRefundNo)
		}
	}
	slices.SortStableFunc(rows, func(a, b vipRow) int { return a.at.Compare(b.at) })
	return rows
}

// vipPage is the part of the rows that a request asks for.
func (c *vipCall) vipPage(rows []vipRow) *vipAnswer {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(c.params.Get(name)); err == nil {
			return n
		}
		return otherwise
	}
	from := min(max(number("offset", 0), 0), len(rows))
	to := from + min(max(number("limit", vipReportRows), 0), len(rows)-from)
	return report(struct {
		Data  []vipRow `json:"data"`
		Total int      `json:"total"`
	}{rows[from:to], len(rows)})
}

func (g *Gateway) vipTransactions(c *vipCall) *vipAnswer {
	return c.vipPage(g.vipRows(c.id, c.params.Get("channel")))
}

// vipSettled are the rows of a settlement: of a day that is over, or of the orders
// that Settle has played.
func (g *Gateway) vipSettled(day, channel string) []vipRow {
	over := day < g.now().In(zone).Format(vipDay)
	return slices.DeleteFunc(g.vipRows(day, channel), func(r vipRow) bool { return !over && !r.settled })
}

// vipSettlement settles the payments and refunds of a day through a channel, on the
// next day (T+1). Which of the two days a request names isn't documented: here it is
// the day of the payments. It takes no fees. Without anything to settle there is no
// settlement.
func (g *Gateway) vipSettlement(c *vipCall) *vipAnswer {
	channel := c.params.Get("channel")
	rows := g.vipSettled(c.id, channel)
	if len(rows) == 0 {
		return problem(http.StatusNotFound, "There is no settlement of that day.")
	}
	day, _ := time.ParseInLocation(vipDay, c.id, zone)
	next := day.AddDate(0, 0, 1)
	var count int
	var sales, refunds, transferred ksher.Amount
	for _, r := range rows {
		if r.Amount > 0 {
			count++
			sales += r.Amount
		} else {
			refunds -= r.Amount
		}
		if r.settled {
			transferred += r.Amount
		}
	}
	return report(struct {
		ReferenceID    vipText      `json:"reference_id"`
		Start          vipText      `json:"start"`
		End            vipText      `json:"end"`
		Channel        vipText      `json:"channel"`
		Count          int          `json:"count"`
		Amount         ksher.Amount `json:"amount"`
		Fee            ksher.Amount `json:"fee"`
		OtherFee       ksher.Amount `json:"other_fee"`
		Refund         ksher.Amount `json:"refund"`
		RefundFee      ksher.Amount `json:"refund_fee"`
		Adjustment     ksher.Amount `json:"adjustment"`
		Balance        ksher.Amount `json:"balance"`
		Net            ksher.Amount `json:"net"`
		Currency       vipText      `json:"currency"`
		Transfer       bool         `json:"transfer"`
		TransferAmount ksher.Amount `json:"transfer_amount"`
		Time           vipText      `json:"time"`
	}{
		ReferenceID: vipText(c.id + "-" + channel), Start: vipTime(day), End: vipTime(next.Add(-time.Second)), Channel: vipText(channel),
		Count: count, Amount: sales, Refund: refunds, Net: sales - refunds, Currency: cmp.Or(rows[0].Currency, "THB"),
		Transfer: transferred != 0, TransferAmount: transferred, Time: vipTime(next),
	})
}

func (g *Gateway) vipSettlementOrders(c *vipCall) *vipAnswer {
	day, channel, _ := strings.Cut(c.params.Get("reference_id"), "-")
	if channel != "" {
		if rows := g.vipSettled(day, channel); len(rows) > 0 {
			return c.vipPage(rows)
		}
	}
	return problem(http.StatusNotFound, "There is no such settlement.")
}
