package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/ksher-go/ksher"
)

type pageCommand struct {
	Channel []ksher.Channel `required:"" help:"What the buyer may choose from, such as promptpay,card. Repeat it for more."`
	newOrderFlags
	Product string `default:"Order" help:"What the buyer reads (${default})."`
	Shop    string `placeholder:"URL" help:"The page of the shop, where the buyer comes from and goes back to. Required, but not with --sandbox."`
	Open    bool   `help:"Open the page in the browser."`
	gatewayFlags
}

// Run makes an order with a checkout page.
func (p *pageCommand) Run(ctx context.Context, s *screen) error {
	if p.Shop == "" && !p.Sandbox {
		return usage("name the page of the shop with --shop=URL: the buyer comes back to it")
	}
	client, err := p.client(s)
	if err != nil {
		return err
	}
	number, shop := cmp.Or(p.OrderNo, ksher.NewOrderNo()), cmp.Or(p.Shop, p.SandboxURL)
	request := &ksher.GatewayPayRequest{
		MchOrderNo: number, MchCode: number, TotalFee: ksher.Amount(p.Amount), FeeType: p.FeeType, ChannelList: p.Channel, ProductName: p.Product,
		ReferURL: shop, MchRedirectURL: shop, MchRedirectURLFail: shop, MchNotifyURL: p.NotifyURL,
	}
	fmt.Fprintf(s.Err, "Order %s over %s\n", number, request.TotalFee.Display(p.FeeType))
	var answer *ksher.GatewayPayResponse
	var doubt error // of the first request, which stays if nothing can be asked
	err = p.within(ctx, func(ctx context.Context) (err error) {
		answer, err = client.GatewayPay(ctx, request)
		if !undecided(err) {
			return err
		}
		doubt = err
		answer, err = client.GatewayPage(ctx, request, func(_ context.Context, lost ksher.OpenOrder) (string, error) {
			number = ksher.NewOrderNo()
			fmt.Fprintf(s.Err, "The page of order %s was lost with the answer, so it is cancelled. It may still be paid:\n  %s\nOrder %s takes its place.\n",
				lost.MchOrderNo, p.again("order show", lost.MchOrderNo, "--host=gateway"), number)
			return number, nil
		})
		return err
	})
	if err != nil && doubt != nil && !undecided(err) {
		err = fmt.Errorf("%w\n%w", doubt, err)
	}
	if undecided(err) {
		return unfinished{err, p.again("order show", number, "--host=gateway")}
	}
	if err != nil {
		return err
	}
	wait := p.again("order wait", number, "--host=gateway", "--amount="+request.TotalFee.String(), "--currency="+p.FeeType)
	fields := []field{{"mch_order_no", "Order", number}, {"pay_content", "Page", answer.PayContent}, {"host", "Host", string(ksher.HostGateway)}}
	if err := p.tell(s, fields, "order show", number, "--host=gateway"); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "Whether it is paid tells: %s\n", wait)
	if p.Open {
		return s.Open(answer.PayContent)
	}
	return nil
}
