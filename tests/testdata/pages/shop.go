// What the code of every page may use without declaring it: a shop with its books. A page
// adds to it, or has something else under a name, in a file of its own name beside this one.
package shop

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/ksher-go/ksher"
)

var (
	ctx context.Context
	w   http.ResponseWriter
	r   *http.Request
	mux *http.ServeMux
	t   *testing.T
	err error

	client        *ksher.Client
	payments      *ksher.Payments
	notifications *ksher.Notifications
	verifier      *ksher.Verifier
	deduper       ksher.Deduper
	budget        *ksher.Budget
	db            books
	order         *ksher.Order
	orders        ksher.OpenOrders
	body          []byte
)

// books are the merchant's own database.
type books struct{}

func (books) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	return nil, nil
}

func (books) Keep(context.Context, ksher.OpenOrder) error            { return nil }
func (books) MarkPaid(context.Context, string) error                 { return nil }
func (books) Paid(context.Context, *ksher.Order) error               { return nil }
func (books) Order(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, nil }

// onPaid is the function for each payment.
func onPaid(context.Context, *ksher.Order) error { return nil }

// expected looks an order up in the merchant's books.
func expected(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, nil }
