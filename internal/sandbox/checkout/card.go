package checkout

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// testCard is a card that the page accepts. It accepts no other, so that nobody
// leaves a real one here.
type testCard struct {
	Number, Brand string
	// Does is the phrase of what happens with it.
	Does string
	// declined says that the bank refuses it, silent that its code never comes.
	declined, silent bool
}

var testCards = []testCard{
	{Number: "4242 4242 4242 4242", Brand: "Visa", Does: "card_succeeds"},
	{Number: "5555 5555 5555 4444", Brand: "Mastercard", Does: "card_succeeds"},
	{Number: "6200 0000 0000 0005", Brand: "UnionPay", Does: "card_succeeds"},
	{Number: "4000 0000 0000 0002", Brand: "Visa", Does: "card_declined", declined: true},
	{Number: "4000 0000 0000 0119", Brand: "Visa", Does: "card_silent", silent: true},
}

// last4 is the end of the card's number, which tells the test cards apart.
func (c *testCard) last4() string { return c.Number[len(c.Number)-4:] }

// findTestCard returns the test card of a number, nil if it isn't one's.
func findTestCard(number string) *testCard {
	plain := strings.NewReplacer(" ", "", "-", "")
	number = plain.Replace(number)
	i := slices.IndexFunc(testCards, func(c testCard) bool { return plain.Replace(c.Number) == number })
	if i < 0 {
		return nil
	}
	return &testCards[i]
}

func checkCard(s *scene, sub *submission) {
	card := findTestCard(sub.get("card_number"))
	if card == nil {
		sub.wrong["card_number"] = "wrong_card"
	}
	if m := monthOf.FindStringSubmatch(sub.get("card_expiry")); m != nil {
		month, _ := strconv.Atoi(m[1])
		year, _ := strconv.Atoi(m[2])
		// A card is good until the end of its month.
		if end := time.Date(2000+year, time.Month(month)+1, 1, 0, 0, 0, 0, core.Zone); !s.now.Before(end) {
			sub.wrong["card_expiry"] = "wrong_expired"
		}
	}
	if len(sub.wrong) > 0 {
		return
	}
	s.visit.Card = card.last4()
	s.visit.SaveCard = s.member() != "" && sub.get("save_card") == "yes"
	if card.declined {
		sub.failed = "failed_declined"
	}
}

func checkInstalment(s *scene, sub *submission) {
	checkCard(s, sub)
	s.visit.Months, _ = strconv.Atoi(sub.get("months"))
}

// testCardOf is the test card whose number ends so, nil if none does.
func testCardOf(last4 string) *testCard {
	i := slices.IndexFunc(testCards, func(c testCard) bool { return c.last4() == last4 })
	if i < 0 {
		return nil
	}
	return &testCards[i]
}

// card is the test card that the buyer pays with, nil if there is none yet.
func (s *scene) card() *testCard { return testCardOf(s.visit.Card) }

// savedCard is what the gateway remembers of a member's card.
type savedCard struct{ ID, Brand, Last4 string }

// maxSavedCards is how many cards a member has at most. The oldest goes first.
const maxSavedCards = 10

// member is who the merchant says the buyer of an order is, "" for nobody.
func member(o *core.Entry) string {
	if id := o.Params.Get("member_id"); id != "" {
		return o.AppID + " " + id
	}
	return ""
}

func (s *scene) member() string { return member(s.o) }

// savedCards are the member's, each kept with the order that it was saved with.
func (s *scene) savedCards() []savedCard {
	if s.member() == "" {
		return nil
	}
	var cards []savedCard
	for o := range s.tx.All() {
		if member(o) != s.member() {
			continue
		}
		if c := remember(o).Card; c != nil {
			cards = slices.DeleteFunc(cards, func(other savedCard) bool { return other.Brand == c.Brand && other.Last4 == c.Last4 })
			cards = append(cards, *c)
		}
	}
	return cards[max(0, len(cards)-maxSavedCards):]
}

func savedOptions(s *scene) []option {
	var all []option
	for _, c := range s.savedCards() {
		all = append(all, option{Value: c.ID, Text: c.Brand + " •••• " + c.Last4})
	}
	return all
}

func checkSavedCard(s *scene, sub *submission) {
	for _, c := range s.savedCards() {
		if c.ID == sub.get("card") {
			s.visit.Card = c.Last4
		}
	}
}

// saveCard remembers the card that was paid with, if the buyer agreed.
func (s *scene) saveCard() {
	if card := s.card(); card != nil && s.visit.SaveCard {
		s.memory.Card = &savedCard{s.tx.NewUUID(), card.Brand, card.last4()}
	}
}

// deleteCard forgets a saved card, also where it was saved before.
func (s *scene) deleteCard(id string) {
	cards := s.savedCards()
	i := slices.IndexFunc(cards, func(c savedCard) bool { return c.ID == id })
	if i < 0 {
		return
	}
	for o := range s.tx.All() {
		if member(o) != s.member() {
			continue
		}
		if m := remember(o); m.Card != nil && m.Card.Brand == cards[i].Brand && m.Card.Last4 == cards[i].Last4 {
			m.Card = nil
			o.Page = core.Marshal(m)
			s.tx.Touch(o)
		}
	}
}
