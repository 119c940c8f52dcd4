package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func TestNative(t *testing.T) {
	d := newDesk(t)
	d.live = true
	once := sync.OnceFunc(func() { assert.NoError(t, d.gw.Pay("A-1", ksher.ChannelPromptPay)) })
	d.seen = func(text string) {
		if strings.Contains(text, "not paid yet") {
			once()
		}
	}
	picture := filepath.Join(t.TempDir(), "code.png")
	out, progress, err := d.run(t.Context(), "native", "--channel=promptpay", "--amount=150.50", "--order-no=A-1", "--qr="+picture)
	require.NoError(t, err)
	assert.Contains(t, progress, "Order A-1 over 150.50 THB by promptpay\n")
	assert.Contains(t, out, "▀")
	assert.Contains(t, out, "\x1b[0m\n")
	assert.Contains(t, out, "SUCCESS")
	png, err := os.ReadFile(picture)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(png), "\x89PNG"))
}

func TestNativeInAPipe(t *testing.T) {
	d := newDesk(t)
	picture := filepath.Join(t.TempDir(), "code.svg")
	out, _, err := d.run(t.Context(), "native", "--channel=promptpay", "--amount=150.50", "--order-no=A-1", "--no-wait", "--qr="+picture)
	require.NoError(t, err)
	assert.Regexp(t, `^000201\S+\n$`, out)
	svg, err := os.ReadFile(picture)
	require.NoError(t, err)
	assert.Contains(t, string(svg), "<svg")
	out, _, err = d.run(t.Context(), "native", "--channel=promptpay", "--amount=150.50", "--no-wait", "--json")
	require.NoError(t, err)
	var got map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	assert.Equal(t, "150.50", got["total_fee"])
	assert.Len(t, got["mch_order_no"], 32)
	_, _, err = d.run(t.Context(), "native", "--channel=promptpay", "--amount=1", "--qr=code.gif")
	assert.Equal(t, statusUsage, statusOf(err))
}

// Ctrl-C while the buyer has the code says where it stands, and how to go on.
func TestNativeInterrupted(t *testing.T) {
	d := newDesk(t)
	ctx, interrupt := context.WithCancel(t.Context())
	d.seen = func(text string) {
		if strings.Contains(text, "not paid yet") {
			interrupt()
		}
	}
	_, _, err := d.run(ctx, "native", "--channel=promptpay", "--amount=150.50", "--order-no=A-1")
	assert.Equal(t, statusNotPaid, statusOf(err))
	assert.ErrorContains(t, err, "can still be paid")
	assert.ErrorContains(t, err, "To go on: ksher order wait A-1 --host=merchant --amount=150.50 --currency=THB")
}

// There is one order at most, and the code of the order that there is.
func TestNativeFaults(t *testing.T) {
	for _, kind := range core.OperationFaults() {
		for _, count := range []int{1, 10} {
			t.Run(string(kind), func(t *testing.T) {
				d := newDesk(t)
				d.inject(t, "native_pay", kind, count)
				out, _, err := d.run(t.Context(), "native", "--channel=promptpay", "--amount=150.50", "--order-no=A-1", "--no-wait")
				assert.LessOrEqual(t, len(d.gw.Orders()), 1)
				switch statusOf(err) {
				case statusDone:
					assert.Regexp(t, `^000201\S+\n$`, out)
				case statusRefused:
					assert.Equal(t, core.FaultRefuse, kind)
				case statusUnknown:
					assert.Empty(t, out)
					assert.ErrorContains(t, err, "To go on: ksher order ")
					assert.Equal(t, len(d.gw.Orders()) == 1, strings.Contains(err.Error(), "code was lost"))
				}
			})
		}
	}
}

func TestCheckoutPage(t *testing.T) {
	d := newDesk(t)
	out, progress, err := d.run(t.Context(), "page", "--channel=truemoney,card", "--amount=150.50", "--order-no=A-1", "--open")
	require.NoError(t, err)
	assert.Contains(t, progress, "ksher order wait A-1 --host=gateway --amount=150.50")
	require.Len(t, d.opened, 1)
	assert.Contains(t, out, d.opened[0])
	assert.Contains(t, d.opened[0], d.gw.URL())
	d.opened = nil
	out, _, err = d.run(t.Context(), "page", "--channel=truemoney", "--amount=150.50", "--json")
	require.NoError(t, err)
	assert.Empty(t, d.opened)
	assert.True(t, json.Valid([]byte(out)))
	err = run(t.Context(), []string{"page", "--channel=truemoney", "--amount=1"}, &screen{In: strings.NewReader(""), Err: &watched{}})
	assert.Equal(t, statusUsage, statusOf(err))
	assert.ErrorContains(t, err, "--shop")
}

// The page that is printed is that of an order which is there, and what was lost is named.
func TestCheckoutPageFaults(t *testing.T) {
	printed := regexp.MustCompile(`(?m)^Order +(\S+)$`)
	for _, kind := range core.OperationFaults() {
		for _, count := range []int{1, 10} {
			t.Run(string(kind), func(t *testing.T) {
				d := newDesk(t)
				d.inject(t, "gateway_pay", kind, count)
				out, progress, err := d.run(t.Context(), "page", "--channel=truemoney", "--amount=150.50")
				if err != nil {
					assert.Equal(t, kind == core.FaultRefuse, statusOf(err) == statusRefused, "%v", err)
					assert.Empty(t, out)
					return
				}
				order, err := d.gw.Order(printed.FindStringSubmatch(out)[1])
				require.NoError(t, err)
				assert.Equal(t, core.Created, order.State)
				for _, o := range d.gw.Orders() {
					assert.Contains(t, progress, o.MchOrderNo)
				}
			})
		}
	}
}

// What nobody could find out stays in doubt, also after Ctrl-C.
func TestCheckoutPageInDoubt(t *testing.T) {
	for name, query := range map[string]core.FaultKind{"refused": core.FaultRefuse, "no answer": core.FaultHTTP500, "interrupted": ""} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			d.inject(t, "gateway_pay", core.FaultDropAfter, 1)
			if query == "" {
				d.seen = func(text string) {
					if strings.Contains(text, "gateway_pay A-1:") {
						interrupt()
					}
				}
			} else {
				d.inject(t, "gateway_order_query", query, 100)
			}
			out, _, err := d.run(ctx, "page", "--channel=truemoney", "--amount=1", "--order-no=A-1", "--verbose")
			assert.Equal(t, statusUnknown, statusOf(err), "%v", err)
			assert.Empty(t, out)
			assert.ErrorContains(t, err, "To go on: ksher order show A-1 --host=gateway")
			assert.Len(t, d.gw.Orders(), 1)
		})
	}
}
