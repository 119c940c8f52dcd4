package checkout

import (
	"cmp"
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
	s.visit.card = card
	s.visit.saveCard = s.member() != "" && sub.get("save_card") == "yes"
	if card.declined {
		sub.failed = "failed_declined"
	}
}

func checkInstalment(s *scene, sub *submission) {
	checkCard(s, sub)
	s.visit.months, _ = strconv.Atoi(sub.get("months"))
}

// savedCard is what the gateway remembers of a member's card.
type savedCard struct {
	id, brand, last4 string
}

// maxSavedCards is how many cards a member has at most. The oldest goes first.
const maxSavedCards = 10

// member is who the merchant says the buyer is, "" for nobody.
func (s *scene) member() string {
	if id := s.o.Params.Get("member_id"); id != "" {
		return s.o.AppID + " " + id
	}
	return ""
}

func (s *scene) savedCards() []savedCard {
	if s.member() == "" {
		return nil
	}
	cards, _ := s.page.cards.get(s.member())
	return cards
}

func savedOptions(s *scene) []option {
	var all []option
	for _, c := range s.savedCards() {
		all = append(all, option{Value: c.id, Text: c.brand + " •••• " + c.last4})
	}
	return all
}

func checkSavedCard(s *scene, sub *submission) {
	for _, c := range s.savedCards() {
		if c.id != sub.get("card") {
			continue
		}
		for i := range testCards {
			if testCards[i].Brand == c.brand && testCards[i].last4() == c.last4 {
				s.visit.card = &testCards[i]
			}
		}
	}
}

// saveCard remembers the card that was paid with, if the buyer agreed.
func (s *scene) saveCard() {
	card := s.visit.card
	if card == nil || !s.visit.saveCard {
		return
	}
	cards := slices.DeleteFunc(slices.Clone(s.savedCards()), func(c savedCard) bool { return c.brand == card.Brand && c.last4 == card.last4() })
	cards = append(cards, savedCard{core.NewUUID(), card.Brand, card.last4()})
	if len(cards) > maxSavedCards {
		cards = cards[1:]
	}
	s.page.cards.put(s.member(), cards)
}

func (s *scene) deleteCard(id string) {
	if s.member() != "" {
		s.page.cards.put(s.member(), slices.DeleteFunc(slices.Clone(s.savedCards()), func(c savedCard) bool { return c.id == id }))
	}
}

// maxRecent bounds a recent that says nothing else.
const maxRecent = 1000

// recent keeps the last values that were put into it. Its zero value is empty.
type recent[V any] struct {
	// most is how many it keeps, 0 standing for maxRecent.
	most   int
	values map[string]V
	keys   []string
}

func (r *recent[V]) get(key string) (V, bool) {
	v, ok := r.values[key]
	return v, ok
}

func (r *recent[V]) put(key string, v V) {
	if r.values == nil {
		r.values = make(map[string]V)
	}
	if _, ok := r.values[key]; !ok {
		if len(r.keys) == cmp.Or(r.most, maxRecent) {
			delete(r.values, r.keys[0])
			r.keys = slices.Delete(r.keys, 0, 1)
		}
		r.keys = append(r.keys, key)
	}
	r.values[key] = v
}
