package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/once"
)

// Gateway is what is asked.
type Gateway interface {
	Order(ctx context.Context, key Key) (*ksher.Order, error)                         // nil and nil if the gateway says that there is none
	Refunds(ctx context.Context, key Key, order *ksher.Order) ([]ksher.Refund, error) // with a single query
}

// atOnce is how many queries are made at the same time.
const atOnce = 4

// mostFailures is after how many failures, with no answer between them, nothing more is asked:
// a wrong key fails for each order.
const mostFailures = 10

// Asker asks about the orders of a list, each once.
type Asker struct {
	gateway  Gateway
	clock    clock.Clock
	budget   *once.Budget
	journal  *Journal
	progress func(done, total int)

	mu     sync.Mutex
	known  map[Key]Answer
	failed map[Key]error
	row    int   // failures since the last answer
	stop   error // why nothing more is asked
}

// NewAsker returns one that makes so many queries a second at most, which is an error if it
// isn't between 0.001 and 1,000.
func NewAsker(gateway Gateway, c clock.Clock, perSecond float64, journal *Journal, progress func(done, total int)) (*Asker, error) {
	budget, err := once.NewBudget(perSecond, atOnce)
	if err != nil {
		return nil, err
	}
	return &Asker{gateway: gateway, clock: c, budget: budget, journal: journal, progress: progress}, nil
}

// Ask asks about the orders that the journal doesn't have, and returns the answers to all,
// and why others couldn't be asked about. The error says why nothing more was asked: the
// context ended, the gateway failed again and again, or the journal couldn't be written.
func (a *Asker) Ask(ctx context.Context, orders []Order) (known map[Key]Answer, failed map[Key]error, err error) {
	a.known, a.failed = map[Key]Answer{}, map[Key]error{}
	todo := make(chan Order)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for order := range todo {
				a.one(ctx, order.Key, len(orders))
			}
		})
	}
	for _, order := range orders {
		if answer, ok := a.journal.Answers[order.Key]; ok {
			a.mu.Lock()
			a.known[order.Key] = answer
			a.mu.Unlock()
			continue
		}
		if a.ended(ctx) != nil {
			break
		}
		todo <- order
	}
	close(todo)
	workers.Wait()
	return a.known, a.failed, a.ended(ctx)
}

// ended is why nothing more is to be asked.
func (a *Asker) ended(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stop == nil {
		a.stop = ctx.Err()
	}
	return a.stop
}

// one asks about one order, and writes the answer down.
func (a *Asker) one(ctx context.Context, key Key, total int) {
	if a.ended(ctx) != nil {
		return
	}
	answer, err := a.answer(ctx, key)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.row = 0
		a.known[key] = answer
		if err := a.journal.Add(answer); err != nil {
			a.stop = err
		}
	} else if ctx.Err() == nil {
		a.failed[key] = err
		if a.row++; a.row == mostFailures {
			a.stop = fmt.Errorf("%d queries failed one after the other, the last with: %w", a.row, err)
		}
	}
	a.progress(len(a.known)+len(a.failed), total)
}

func (a *Asker) answer(ctx context.Context, key Key) (Answer, error) {
	answer := Answer{Key: key}
	var order *ksher.Order
	err := a.paced(ctx, func() (err error) {
		answer.Asked = a.clock.ClockNow()
		order, err = a.gateway.Order(ctx, key)
		return err
	})
	if err != nil || order == nil {
		answer.Unknown = err == nil
		return answer, err
	}
	answer.Result, answer.Amount, answer.Currency, answer.Channel, answer.Paid = order.Result, order.TotalFee, order.FeeType, order.Channel, order.TimeEnd
	if !answer.wasPaid() {
		return answer, nil
	}
	if info, known := order.Channel.Info(); known && !info.RefundQuery {
		answer.Untold = true
		return answer, nil
	}
	// A refund in part may leave the result as it was.
	err = a.paced(ctx, func() error {
		refunds, err := a.gateway.Refunds(ctx, key, order)
		for _, r := range refunds {
			if r.Succeeded() {
				answer.Refunds = append(answer.Refunds, Refund{Amount: r.MchRefundFee, At: r.RefundTime})
			}
		}
		return err
	})
	switch {
	case errors.As(err, new(*ksher.ValidationError)), errors.Is(err, ksher.ErrNotFound) && order.Result == ksher.ResultRefund:
		answer.Untold, err = true, nil
	case errors.Is(err, ksher.ErrNotFound):
		err = nil // There are none: the order is known, as it was found just now.
	}
	return answer, err
}

// paced makes a query when its turn has come.
func (a *Asker) paced(ctx context.Context, query func() error) error {
	give, err := a.budget.Take(ctx, a.clock)
	if err != nil {
		return err
	}
	defer give()
	return query()
}
