package vipapi

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// reportRows is how many rows a report has at once.
const reportRows = 50

func reportOperations() []*operation {
	const root = "/api/v1/finance/settlements/"
	add := func(name, path string, serve serving, fields ...field) *operation {
		return &operation{"vip " + name, http.MethodGet, root + path, append(fields, required(scalarField("timestamp"))), serve}
	}
	mid, channel := required(textField("mid")), channelField()
	offset, limit := wholeField("offset", 0, 0), wholeField("limit", 1, reportRows)
	return []*operation{
		add("channels", "channels", (*Server).channels, mid),
		add("transactions", "order/{id}", ofDay((*Server).transactions), mid, offset, limit, channel),
		add("settlement", "{id}", ofDay((*Server).settlement), mid, required(channel)),
		add("settlement orders", "settlement_order", (*Server).settlementOrders, required(textField("reference_id")), required(offset), required(limit)),
	}
}

// reportAnswer is the answer to a report.
type reportAnswer struct {
	Data any `json:"data,omitempty"`
	callOutcome
}

func report(data any) *answer {
	r := &reportAnswer{Data: data}
	r.outcome("SUCCESS", "")
	return &answer{body: r}
}

// channels lists the channels.
func (s *Server) channels(*call) *answer {
	channels := []ksher.Channel{}
	for _, info := range ksher.Channels() {
		channels = append(channels, info.Channel)
	}
	return report(struct {
		Channels []ksher.Channel `json:"channels"`
	}{channels})
}

// dayForm is how a path writes a day.
const dayForm = "20060102"

// ofDay serves a report about the day in the path.
func ofDay(serve serving) serving {
	return func(s *Server, c *call) *answer {
		if _, err := time.Parse(dayForm, c.id); err != nil {
			return badRequest([][2]string{{"date", "Not a valid date."}})
		}
		return serve(s, c)
	}
}

// row is a payment or a refund in a report.
type row struct {
	Amount          ksher.Amount `json:"amount"`
	TransactionTime wireText     `json:"transaction_time"`
	Type            wireText     `json:"type"`
	Channel         wireText     `json:"channel"`
	DeviceID        wireText     `json:"device_id"`
	OperatorID      wireText     `json:"operator_id"`
	OperatorName    wireText     `json:"operator_name"`
	Currency        wireText     `json:"currency"`
	OrderID         wireText     `json:"order_id"`
	KsherOrderID    wireText     `json:"ksher_order_id"`

	at      time.Time
	settled bool
}

// rows are the payments and refunds of a day, the oldest first, of one channel
// unless that is "".
func rows(tx *core.Tx, day, channel string) []row {
	rows := []row{}
	for o := range tx.All() {
		if o.API == "" || o.PaidAt.IsZero() || channel != "" && channel != string(o.Channel) {
			continue
		}
		add := func(at time.Time, kind string, fee ksher.Amount, own, theirs string) {
			if at.In(core.Zone).Format(dayForm) != day {
				return
			}
			rows = append(rows, row{
				Amount: fee, TransactionTime: timeText(at), Type: wireText(kind), Channel: wireText(o.Channel),
				DeviceID: wireText(o.Params.Get("device_id")), OperatorID: wireText(o.Params.Get("operator_id")),
				Currency: wireText(o.FeeType), OrderID: wireText(own), KsherOrderID: wireText(theirs), at: at, settled: o.Settled,
			})
		}
		add(o.PaidAt, "PAY", o.Total, o.MchOrderNo, o.KsherOrderNo)
		for _, r := range o.Refunds {
			add(r.RefundTime, "refund", -r.MchRefundFee, r.MchRefundNo, r.KsherRefundNo)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	return rows
}

// page is the part of the rows that a request asks for.
func (c *call) page(rows []row) *answer {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(c.params.Get(name)); err == nil {
			return n
		}
		return otherwise
	}
	from := min(max(number("offset", 0), 0), len(rows))
	to := from + min(max(number("limit", reportRows), 0), len(rows)-from)
	return report(struct {
		Data  []row `json:"data"`
		Total int   `json:"total"`
	}{rows[from:to], len(rows)})
}

func (s *Server) transactions(c *call) *answer {
	return c.page(rows(c.tx, c.id, c.params.Get("channel")))
}

// settledRows are the rows of a settlement: of a day that is over, or of the orders
// that Settle has played.
func settledRows(tx *core.Tx, day, channel string) []row {
	over := day < tx.Now().In(core.Zone).Format(dayForm)
	return slices.DeleteFunc(rows(tx, day, channel), func(r row) bool { return !over && !r.settled })
}

// settlement settles the payments and refunds of a day through a channel, on the
// next day (T+1). Which of the two days a request names isn't documented: here it is
// the day of the payments. It takes no fees. Without anything to settle there is no
// settlement.
func (s *Server) settlement(c *call) *answer {
	channel := c.params.Get("channel")
	rows := settledRows(c.tx, c.id, channel)
	if len(rows) == 0 {
		return problem(http.StatusNotFound, "There is no settlement of that day.")
	}
	day, _ := time.ParseInLocation(dayForm, c.id, core.Zone)
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
		ReferenceID    wireText     `json:"reference_id"`
		Start          wireText     `json:"start"`
		End            wireText     `json:"end"`
		Channel        wireText     `json:"channel"`
		Count          int          `json:"count"`
		Amount         ksher.Amount `json:"amount"`
		Fee            ksher.Amount `json:"fee"`
		OtherFee       ksher.Amount `json:"other_fee"`
		Refund         ksher.Amount `json:"refund"`
		RefundFee      ksher.Amount `json:"refund_fee"`
		Adjustment     ksher.Amount `json:"adjustment"`
		Balance        ksher.Amount `json:"balance"`
		Net            ksher.Amount `json:"net"`
		Currency       wireText     `json:"currency"`
		Transfer       bool         `json:"transfer"`
		TransferAmount ksher.Amount `json:"transfer_amount"`
		Time           wireText     `json:"time"`
	}{
		ReferenceID: wireText(reference(c.id, channel)), Start: timeText(day), End: timeText(next.Add(-time.Second)), Channel: wireText(channel),
		Count: count, Amount: sales, Refund: refunds, Net: sales - refunds, Currency: cmp.Or(rows[0].Currency, "THB"),
		Transfer: transferred != 0, TransferAmount: transferred, Time: timeText(next),
	})
}

// reference names the settlement of a day through a channel: the day, the merchant, and six
// characters.
func reference(day, channel string) string {
	sum := sha256.Sum256([]byte(day + channel))
	return fmt.Sprintf("%s_%s_%X", day, strings.TrimPrefix(core.AppID, "mch"), sum[:3])
}

func (s *Server) settlementOrders(c *call) *answer {
	wanted := c.params.Get("reference_id")
	day, _, _ := strings.Cut(wanted, "_")
	rows := slices.DeleteFunc(settledRows(c.tx, day, ""), func(r row) bool { return reference(day, string(r.Channel)) != wanted })
	if len(rows) == 0 {
		return problem(http.StatusNotFound, "There is no such settlement.")
	}
	return c.page(rows)
}
