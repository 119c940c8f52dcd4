package main

import (
	"context"
	"time"

	"github.com/ksher-go/ksher"
)

// thailand is the zone of days and times.
var thailand = time.FixedZone("UTC+7", 7*60*60)

type merchantCommand struct{ gatewayFlags }

// Run shows what Ksher has of the merchant's account and has signed.
func (m *merchantCommand) Run(ctx context.Context, s *screen) error {
	return m.ask(ctx, s, func(ctx context.Context, client *ksher.Client) ([]field, error) {
		info, err := client.MerchantInfo(ctx, &ksher.MerchantInfoRequest{})
		if err != nil {
			return nil, err
		}
		return []field{
			{"mch_id", "Merchant", info.MchID}, {"account_type", "Account", info.AccountType},
			{"business_mode", "Kind", info.BusinessMode}, {"mobile", "Telephone", info.Mobile},
		}, nil
	})
}

type balanceCommand struct {
	FeeType string `name:"currency" default:"THB" help:"The currency (${default})."`
	gatewayFlags
}

// Run shows what is left to pay out.
func (b *balanceCommand) Run(ctx context.Context, s *screen) error {
	return b.ask(ctx, s, func(ctx context.Context, client *ksher.Client) ([]field, error) {
		answer, err := client.GetPayoutBalance(ctx, &ksher.GetPayoutBalanceRequest{FeeType: b.FeeType})
		if err != nil {
			return nil, err
		}
		return []field{{"balance", "Balance", answer.Balance.String()}, {"fee_type", "Currency", b.FeeType}}, nil
	})
}

type rateCommand struct {
	Channel string `arg:"" help:"The wallet, such as wechat."`
	FeeType string `name:"currency" default:"THB" help:"The currency of the shop's prices (${default})."`
	Date    string `placeholder:"YYYYMMDD" help:"The day, today without it."`
	gatewayFlags
}

// Run shows an exchange rate.
func (r *rateCommand) Run(ctx context.Context, s *screen) error {
	if r.Date == "" {
		r.Date = time.Now().In(thailand).Format("20060102")
	}
	return r.ask(ctx, s, func(ctx context.Context, client *ksher.Client) ([]field, error) {
		answer, err := client.RateQuery(ctx, &ksher.RateQueryRequest{Channel: ksher.Channel(r.Channel), FeeType: r.FeeType, Date: r.Date})
		if err != nil {
			return nil, err
		}
		return []field{{"rate", "Rate", answer.Rate}, {"channel", "Channel", r.Channel}, {"fee_type", "Currency", r.FeeType}, {"date", "Day", r.Date}}, nil
	})
}
