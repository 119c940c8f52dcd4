package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
)

// createForm is what "Create a test order" offers.
type createForm struct {
	Channels []channelChoice
	Amount   ksher.Amount
	Currency string
}

type channelChoice struct {
	ksher.ChannelInfo
	Checked bool
}

// newOrder is the order that the form and the snippets propose.
func (c *Console) newOrder(base string) *ksher.GatewayPayRequest {
	home := base + "/"
	order := &ksher.GatewayPayRequest{
		TotalFee: 150_50, FeeType: c.merchant.Currency(), ProductName: "Two bags of coffee",
		ReferURL: home, MchRedirectURL: home, MchRedirectURLFail: home,
	}
	for _, channel := range []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelTrueMoney, ksher.ChannelCard} {
		if c.merchant.Offers(channel) {
			order.ChannelList = append(order.ChannelList, channel)
		}
	}
	if len(order.ChannelList) == 0 {
		order.ChannelList = c.merchant.Channels
	}
	return order
}

func (c *Console) createForm() createForm {
	order := c.newOrder("")
	form := createForm{Amount: order.TotalFee, Currency: order.FeeType}
	for _, info := range ksher.Channels() {
		if info.GatewayPay && c.merchant.Offers(info.Channel) {
			form.Channels = append(form.Channels, channelChoice{info, slices.Contains(order.ChannelList, info.Channel)})
		}
	}
	return form
}

// readAmount reads an amount as people write it.
func readAmount(text string) (ksher.Amount, error) {
	a, err := ksher.ParseAmount(strings.ReplaceAll(strings.TrimSpace(text), ",", ""))
	if err != nil {
		return 0, &statusError{http.StatusBadRequest, fmt.Sprintf("%q isn't an amount such as 1,234.50", text)}
	}
	return a, nil
}

// createOrder creates an order as the shop's program would, and goes on to its checkout
// page or to what the dashboard has of it.
func (c *Console) createOrder(r *http.Request) (next string, err error) {
	order := c.newOrder(c.gw.URLFor(r))
	order.MchOrderNo = ksher.NewOrderNo()
	order.MchCode, order.ChannelList = order.MchOrderNo, nil
	for _, channel := range r.PostForm["channel"] {
		order.ChannelList = append(order.ChannelList, ksher.Channel(channel))
	}
	if order.TotalFee, err = readAmount(r.PostForm.Get("amount")); err != nil {
		return "", err
	}
	order.Lang, order.Device = r.PostForm.Get("lang"), r.PostForm.Get("device")
	order.MchNotifyURL = strings.TrimSpace(r.PostForm.Get("mch_notify_url"))
	page, err := c.Create(r.Context(), order)
	if err != nil {
		return "", &statusError{http.StatusBadRequest, err.Error()}
	}
	if r.PostForm.Get("then") == "order" {
		return "/order?" + url.Values{"done": {"create"}, "no": {order.MchOrderNo}}.Encode(), nil
	}
	// The browser may know the gateway by another address than the gateway itself.
	u, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}
