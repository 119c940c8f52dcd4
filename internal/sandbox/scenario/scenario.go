// Package scenario plays what happens to shops in life, with an order of theirs, and tells
// whether the shop coped.
package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// Scenario is something that happens in life.
type Scenario struct {
	// Name is for programs, and Title for people.
	Name  string `json:"name"`
	Title string `json:"title"`
	// Happens says what the gateway and the buyer do, and Good what a good shop does.
	Happens string `json:"happens"`
	Good    string `json:"good_shop"`

	// play checks that it can be played, and returns what to do.
	play  func(tx *core.Tx, o *core.Entry) (act func() error, err error)
	judge func(tx *core.Tx, o *core.Entry, since []core.Happening) (Mark, string)
}

// Mark says how a shop copes.
type Mark string

// Marks.
const (
	Waiting Mark = "waiting" // Waiting is for what the shop hasn't done yet.
	Good    Mark = "good"
	Bad     Mark = "bad"
)

// Verdict is how a shop copes with a scenario.
type Verdict struct {
	Scenario
	Mark Mark   `json:"mark"`
	Why  string `json:"why"`
}

// ErrNotPlayable means that an order can't be used for a scenario.
var ErrNotPlayable = errors.New("the scenario can't be played with this order")

// ErrNoScenario means that there is no scenario of that name.
var ErrNoScenario = errors.New("there is no such scenario")

// begun begins the event in an order's history that tells which scenario it is in.
const begun = "scenario: "

// Play plays a scenario with an order. What is to happen later waits as faults.
func Play(tx *core.Tx, o *core.Entry, name string) error {
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("%w: %q; there are %s", ErrNoScenario, name, strings.Join(names(), ", "))
	}
	if o.Foreign || o.Payout || o.API != "" {
		return fmt.Errorf("%w: it isn't an order of api.ksher.net", ErrNotPlayable)
	}
	act, err := all[i].play(tx, o)
	if err != nil {
		return err
	}
	tx.Note(o, begun+all[i].Title)
	return act()
}

// Judge tells how a shop copes with the scenario that its order is in, nil if it is in none.
func Judge(tx *core.Tx, o *core.Entry) *Verdict {
	story := tx.Story(o)
	for i, h := range slices.Backward(story) {
		if h.Event == nil {
			continue
		}
		title, found := strings.CutPrefix(h.Event.What, begun)
		if !found {
			continue
		}
		for _, s := range all {
			if s.Title == title {
				mark, why := s.judge(tx, o, story[i+1:])
				return &Verdict{s, mark, why}
			}
		}
	}
	return nil
}

func names() (list []string) {
	for _, s := range all {
		list = append(list, s.Name)
	}
	return list
}

// All are the scenarios.
func All() []Scenario { return slices.Clone(all) }

var all = []Scenario{
	{
		Name: "slow", Title: "Ksher is slow",
		Happens: "The order is paid, and the next two queries take 8 seconds.",
		Good:    "It waits or asks again, and accepts the notification only when Ksher has answered.",
		play:    playSlow, judge: judgeNotified("It accepted the notification though Ksher hasn't answered any query."),
	},
	{
		Name: "lost", Title: "The notification is lost",
		Happens: "The order is paid, and no notification of it ever goes out.",
		Good:    "It goes over its open orders and asks Ksher about each.",
		play:    playLost, judge: judgeLost,
	},
	{
		Name: "refund-in-doubt", Title: "A refund is in doubt",
		Happens: "The order is paid. Its next refund is carried out, and the connection drops before the answer.",
		Good:    "It asks what became of the refund, or sends the very same one again, and never a second one under another number.",
		play:    playRefund, judge: judgeRefund,
	},
	{
		Name: "paid-twice", Title: "Paid twice on two phones",
		Happens: "The buyer has opened the same cart twice. This order is paid, and so is the newest other open order over the same amount.",
		Good:    "It hands out once and gives one of the payments back.",
		play:    playTwice, judge: judgeTwice,
	},
	{
		Name: "cancelled-then-paid", Title: "Cancelled, then paid",
		Happens: "The order is cancelled, and the buyer pays a QR code that was saved before.",
		Good:    "It takes the payment for what it is: it hands out, or gives the money back.",
		play:    playCancelled, judge: judgeNotified("It accepted the notification without asking Ksher, as a shop does that believes anything."),
	},
	{
		Name: "key-changed", Title: "The key has changed",
		Happens: "The order is paid. The next two notifications and the next two queries' answers are signed with a key that nobody knows.",
		Good:    "It believes none of them, tells a person, and learns of the payment when the signatures are right again.",
		play:    playKey, judge: judgeKey,
	},
}

// slowness is how long slow queries take.
var slowness = 8 * time.Second

// queryOf is the operation by which a shop asks about an order.
func queryOf(o *core.Entry) string {
	if o.Gateway {
		return "gateway_order_query"
	}
	return "order_query"
}

// payable says why the buyer can't pay an order.
func payable(tx *core.Tx, o *core.Entry) error {
	if s := o.State(tx.Now()); s.Settled() {
		return fmt.Errorf("%w: it is %s", ErrNotPlayable, s)
	}
	return nil
}

// payWith lets the buyer pay after those faults were injected.
func payWith(tx *core.Tx, o *core.Entry, faults ...core.Fault) (func() error, error) {
	return func() error {
		for _, f := range faults {
			if err := tx.InjectFor(o, f); err != nil {
				return err
			}
		}
		return tx.Pay(o, "")
	}, payable(tx, o)
}

func playSlow(tx *core.Tx, o *core.Entry) (func() error, error) {
	return payWith(tx, o, core.Fault{Operation: queryOf(o), Kind: core.FaultLatency, Count: 2, Delay: slowness})
}

func playLost(tx *core.Tx, o *core.Entry) (func() error, error) {
	return func() error {
		defer tx.Silence(o)
		return tx.Pay(o, "")
	}, payable(tx, o)
}

func playRefund(tx *core.Tx, o *core.Entry) (func() error, error) {
	fault := core.Fault{Operation: "order_refund", Kind: core.FaultDropAfter}
	switch o.State(tx.Now()) {
	case core.Paid, core.RefundedInPart:
		return func() error { return tx.InjectFor(o, fault) }, nil
	}
	return payWith(tx, o, fault)
}

// twin begins the event that names the other order of a cart.
const twin = "the same cart's other order is "

func playTwice(tx *core.Tx, o *core.Entry) (func() error, error) {
	if err := payable(tx, o); err != nil {
		return nil, err
	}
	var newest *core.Entry
	for other := range tx.All() {
		same := other != o && other.AppID == o.AppID && other.Total == o.Total && other.FeeType == o.FeeType
		if same && !other.Payout && other.API == "" && payable(tx, other) == nil {
			newest = other
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("%w: there is no other open order over %s; open the same cart on a second phone first", ErrNotPlayable, o.Total.Display(o.FeeType))
	}
	return func() error {
		tx.Note(o, twin+newest.MchOrderNo)
		return errors.Join(tx.Pay(o, ""), tx.Pay(newest, ""))
	}, nil
}

func playCancelled(tx *core.Tx, o *core.Entry) (func() error, error) {
	i := slices.IndexFunc(o.Channels, o.Savable)
	if i < 0 {
		return nil, fmt.Errorf("%w: none of its channels has a QR code that can be saved, such as promptpay", ErrNotPlayable)
	}
	cancelled := o.State(tx.Now()) == core.Cancelled
	if !cancelled {
		if err := payable(tx, o); err != nil {
			return nil, err
		}
	}
	return func() error {
		if !cancelled {
			if code := tx.Cancel(o); code != "" {
				return fmt.Errorf("%w: it can't be cancelled: %s", ErrNotPlayable, code)
			}
		}
		return tx.Pay(o, o.Channels[i])
	}, nil
}

func playKey(tx *core.Tx, o *core.Entry) (func() error, error) {
	return payWith(tx, o, core.Fault{Operation: core.Notify, Kind: core.FaultBadSignature, Count: 2},
		core.Fault{Operation: queryOf(o), Kind: core.FaultBadSignature, Count: 2})
}
