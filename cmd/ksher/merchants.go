package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// merchantForm is what --merchant takes.
const merchantForm = "appid=mch12345,key=pub.pem,account=online,channels=promptpay:truemoney,zone=+08:00,currency=MYR:THB,truemoney=otp"

// merchantOptions are those of the flags about merchants.
func (s *sandboxCommand) merchantOptions() ([]sandbox.Option, error) {
	own := sandbox.Terms{Account: accountKind(s.Account), Currencies: s.Currency, TrueMoney: trueMoney(s.TrueMoney)}
	opts := []sandbox.Option{sandbox.WithMerchant(sandbox.AppID, own)}
	seen := map[string]bool{sandbox.AppID: true}
	for _, text := range s.Merchant {
		appID, terms, err := readMerchant(text)
		if err == nil && seen[appID] {
			err = fmt.Errorf("the merchant %s is there already; --account and --currency are for %s", appID, sandbox.AppID)
		}
		if err != nil {
			return nil, usage("--merchant=%s: %w", text, err)
		}
		seen[appID] = true
		opts = append(opts, sandbox.WithMerchant(appID, terms))
	}
	return opts, nil
}

func accountKind(name string) sandbox.Account {
	if name == "any" {
		return sandbox.AnyAccount
	}
	return sandbox.Account(name)
}

// trueMoney is the way that a merchant's account has for TrueMoney.
func trueMoney(name string) string {
	if name == "any" {
		return ""
	}
	return name
}

// readMerchant reads a merchant as --merchant has it.
func readMerchant(text string) (appID string, terms sandbox.Terms, err error) {
	given := make(map[string]bool)
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" || given[name] {
			return "", terms, fmt.Errorf("%q isn't name=value, or comes twice; it looks like %s", part, merchantForm)
		}
		given[name] = true
		switch name {
		case "appid":
			appID = value
		case "key":
			pem, err := os.ReadFile(value)
			if err == nil { // An empty file would stand for a key that is made.
				_, err = ksher.ParsePublicKey(pem)
			}
			if err != nil {
				return "", terms, fmt.Errorf("the public key: %w", err)
			}
			terms.PublicKey = string(pem)
		case "account":
			terms.Account = accountKind(value)
		case "channels":
			for c := range strings.SplitSeq(value, ":") {
				terms.Channels = append(terms.Channels, ksher.Channel(c))
			}
		case "currency":
			terms.Currencies = strings.Split(value, ":")
		case "zone":
			terms.Zone = value
		case "truemoney":
			terms.TrueMoney = trueMoney(value)
		default:
			return "", terms, fmt.Errorf("there is no %q; it looks like %s", name, merchantForm)
		}
	}
	if appID == "" {
		return "", terms, errors.New("it has no appid; it looks like " + merchantForm)
	}
	return appID, terms, nil
}
