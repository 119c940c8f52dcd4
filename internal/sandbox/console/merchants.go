package console

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// merchantData is a merchant in JSON and on the set-up page.
type merchantData struct {
	AppID    string          `json:"appid"`
	Account  string          `json:"account"`
	Channels []ksher.Channel `json:"channels"`
	// Currencies has the one first that the account is in.
	Currencies []string `json:"currencies"`
	Zone       string   `json:"zone"`
	PublicKey  string   `json:"public_key"`
	// PrivateKey is empty if the gateway doesn't have it.
	PrivateKey string `json:"private_key,omitzero"`
}

// anyAccount is [core.AnyAccount] in JSON and on the page.
const anyAccount = "any"

func newMerchantData(m *core.Merchant) merchantData {
	d := merchantData{
		AppID: m.AppID, Account: anyAccount, Channels: m.Channels, Currencies: m.Currencies,
		Zone: m.Zone, PublicKey: publicPEM(m.PublicKey()), PrivateKey: strings.TrimSpace(m.PrivateKeyPEM()),
	}
	if m.Account != core.AnyAccount {
		d.Account = string(m.Account)
	}
	if len(d.Currencies) == 0 {
		d.Currencies = []string{m.Currency()}
	}
	if d.Zone == "" {
		d.Zone = "+07:00"
	}
	if len(d.Channels) == 0 {
		d.Channels = []ksher.Channel{}
		for _, c := range ksher.Channels() {
			d.Channels = append(d.Channels, c.Channel)
		}
	}
	return d
}

func (c *Console) merchantDatas() []merchantData {
	var list []merchantData
	for _, m := range c.gw.Merchants() {
		list = append(list, newMerchantData(m))
	}
	return list
}

func noMerchant(appID string) error {
	return &statusError{http.StatusNotFound, fmt.Sprintf("there is no merchant %q; the set-up page lists them", appID)}
}

// merchantList is the answer with all merchants.
type merchantList struct {
	Merchants []merchantData `json:"merchants"`
}

func (c *Console) listMerchants(*http.Request) (any, error) {
	return merchantList{c.merchantDatas()}, nil
}

// newMerchant is a merchant to add.
type newMerchant struct {
	AppID string `json:"appid"`
	core.Terms
}

func (c *Console) addMerchant(r *http.Request) (any, error) {
	var body newMerchant
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Account == anyAccount {
		body.Account = core.AnyAccount
	}
	m, err := c.gw.AddMerchant(body.AppID, body.Terms)
	switch {
	case errors.Is(err, core.ErrMerchantExists), errors.Is(err, core.ErrStore):
		return nil, err
	case err != nil:
		return nil, &statusError{http.StatusBadRequest, err.Error()}
	}
	return newMerchantData(m), nil
}

// servePrivateKey hands out a merchant's private key, if it was made here.
func (c *Console) servePrivateKey(w http.ResponseWriter, r *http.Request) {
	m := c.gw.Known(idIn(r.URL.Query(), "").appID)
	if m == nil || m.PrivateKeyPEM() == "" {
		c.showError(w, r, &statusError{http.StatusNotFound, "The gateway has no private key of such a merchant."})
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Write([]byte(m.PrivateKeyPEM()))
}

// servePublicKey hands out the key that the gateway signs with, of version 1 or 2.
func (c *Console) servePublicKey(w http.ResponseWriter, r *http.Request) {
	version, found := map[string]ksher.SignVersion{"": ksher.SignV1, "1": ksher.SignV1, "2": ksher.SignV2}[r.URL.Query().Get("version")]
	if !found {
		c.showError(w, r, &statusError{http.StatusNotFound, "The gateway has keys of version 1 and 2."})
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	io.WriteString(w, publicPEM(c.Setup("").PublicKey(version))+"\n")
}

// orderPath is the dashboard's page of an order.
func orderPath(id orderID) string {
	query := url.Values{"no": {id.mchOrderNo}}
	if id.appID != core.AppID {
		query.Set("appid", id.appID)
	}
	return "/order?" + query.Encode()
}
