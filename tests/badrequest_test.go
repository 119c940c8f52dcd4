package tests

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

// change is a change of a good request and the fields that it makes bad.
type change[R any] struct {
	name  string
	apply func(*R)
	want  []string
}

// checkRequest sends each changed request, and demands that the bad ones are
// refused for just the right fields and never arrive.
func checkRequest[R any](t *testing.T, operation string, good func() *R, call func(context.Context, *ksher.Client, *R) error, changes []change[R]) {
	t.Helper()
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Repeating(t, map[string]any{
				"result": "SUCCESS", "pay_content": "https://pay.example", "code_url": "weixin://pay", "mch_id": "12345",
				"begin_date": "2026-11-20", "end_date": "2026-11-20", "settlement_data": []any{},
			}))
			client := testkit.NewClient(t, rec)
			req := good()
			tt.apply(req)
			err := call(t.Context(), client, req)
			if len(tt.want) == 0 {
				require.NoError(t, err)
				rec.Only(t)
				return
			}
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, tt.want, testkit.FieldsOf(err), "%v", err)
			assert.Equal(t, operation, invalid.Operation)
			assert.True(t, strings.HasPrefix(err.Error(), "ksher: "+operation), err.Error())
			assert.Contains(t, err.Error(), "was not sent")
			for _, f := range invalid.Fields {
				assert.Contains(t, err.Error(), f.Field+" "+f.Problem)
				assert.NotEmpty(t, f.Problem)
			}
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			var tried *ksher.Error
			assert.False(t, errors.As(err, &tried), "nothing was tried")
			assert.Zero(t, rec.Count(), "requests sent")

			_, list, limited := strings.Cut(err.Error(), ". To send it all the same, list in Extra.Unchecked: ")
			if !limited {
				return
			}
			unchecked := strings.Split(list, ", ")
			already := reflect.ValueOf(req).Elem().FieldByName("Unchecked")
			already.Set(reflect.AppendSlice(already, reflect.ValueOf(unchecked)))
			err = call(t.Context(), client, req)
			left := testkit.FieldsOf(err)
			assert.Less(t, len(left), len(tt.want))
			assert.Subset(t, tt.want, left)
			assert.Equal(t, len(left) == 0, rec.Count() == 1, "it is sent")
			if len(left) > 0 {
				assert.NotContains(t, err.Error(), "Unchecked")
			}
		})
	}
}

const maxAmount ksher.Amount = 1<<53 - 1

// badAmounts are wrong wherever they stand, and so are never sent.
var badAmounts = map[string]ksher.Amount{
	"zero":                  0,
	"minus one":             -1,
	"the smallest number":   math.MinInt64,
	"2^53":                  maxAmount + 1,
	"the largest number":    math.MaxInt64,
	"minus the largest sum": -maxAmount,
}

var badFeeTypes = []string{"", "thb", "TH", "THBX", "T1B", "฿", " THB", "บาท"}

var badURLs = []string{"shop.example/x", "/x", "ftp://shop.example/x", "javascript:alert(1)", "https://", "https://:443/x", "https:shop", "http://%zz", "://"}

func TestGatewayPayIsChecked(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "request: mch_order_no has at most 32 characters")
	testkit.Holds(t, testkit.Assumed, "request: 32 characters are characters and not bytes, so that 32 Thai letters are sent")
	testkit.Holds(t, testkit.Clients, "gateway_pay: mch_code and product_name may be empty")
	type req = ksher.GatewayPayRequest
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"nothing set", func(r *req) { *r = req{} }, []string{
			"mch_order_no", "total_fee", "fee_type", "channel_list",
			"refer_url", "mch_redirect_url", "mch_redirect_url_fail",
		}},
		{"everything wrong", func(r *req) {
			*r = req{
				MchOrderNo: testkit.Thai33, MchCode: " ", TotalFee: -1, FeeType: "baht", ChannelList: []ksher.Channel{"a,b"},
				ProductName: "\t", ReferURL: "x", MchRedirectURL: "x", MchRedirectURLFail: "x", MchNotifyURL: "x",
				Device: "TV", Lang: "de", MemberID: strings.Repeat("1", 33), ExpireTime: -1, HideExplain: "yes", HideExpTime: "2",
				InstalFeePayerMerchantChannelList: []ksher.Channel{""},
			}
		}, []string{
			"mch_order_no", "total_fee", "fee_type", "channel_list",
			"refer_url", "mch_redirect_url", "mch_redirect_url_fail", "mch_notify_url",
			"device", "lang", "member_id", "member_id", "expire_time", "hide_explain", "hide_exp_time",
			"instal_fee_payer_merchant_channel_list",
		}},

		{"mch_order_no blank", func(r *req) { r.MchOrderNo = " \t" }, []string{"mch_order_no"}},
		{"mch_order_no with a blank before", func(r *req) { r.MchOrderNo = " A1" }, []string{"mch_order_no"}},
		{"mch_order_no with a line feed behind", func(r *req) { r.MchOrderNo = "A1\n" }, []string{"mch_order_no"}},
		{"mch_order_no of 129 letters", func(r *req) { r.MchOrderNo = strings.Repeat("ก", 129) }, []string{"mch_order_no", "mch_order_no"}},
		{"mch_order_no with a blank inside", func(r *req) { r.MchOrderNo = "A 1" }, nil},
		{"PromptPay of 1 satang", func(r *req) { r.ChannelList, r.TotalFee = []ksher.Channel{"promptpay"}, 1 }, nil},
		{"instalments of 1,000 THB", func(r *req) { r.ChannelList, r.TotalFee = []ksher.Channel{"ktc_instal"}, 1000_00 }, nil},
		{"mch_order_no of 32 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"mch_order_no of 33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, []string{"mch_order_no"}},
		{"mch_order_no of 32 bytes", func(r *req) { r.MchOrderNo = strings.Repeat("1", 32) }, nil},
		{"mch_order_no of 33 bytes", func(r *req) { r.MchOrderNo = strings.Repeat("1", 33) }, []string{"mch_order_no"}},
		{"mch_order_no not UTF-8", func(r *req) { r.MchOrderNo = "a\xff" }, []string{"mch_order_no"}},
		{"mch_code missing", func(r *req) { r.MchCode = "" }, nil},
		{"product_name missing", func(r *req) { r.ProductName = "" }, nil},
		{"product_name not UTF-8", func(r *req) { r.ProductName = "caf\xe9" }, []string{"product_name"}},
		{"product_name with half a character", func(r *req) { r.ProductName = "ก"[:2] }, []string{"product_name"}},
		{"attach not UTF-8", func(r *req) { r.Attach = "\xff" }, []string{"attach"}},

		{"total_fee of one satang", func(r *req) { r.TotalFee, r.ChannelList = 1, []ksher.Channel{"wechat"} }, nil},
		{"total_fee of 2^53-1", func(r *req) { r.TotalFee = maxAmount }, nil},

		{"fee_type of another currency", func(r *req) { r.FeeType = "JPY" }, nil},
		{"fee_type nobody knows", func(r *req) { r.FeeType = "XXX" }, nil},

		{"channel_list missing", func(r *req) { r.ChannelList = nil }, []string{"channel_list"}},
		{"channel_list empty", func(r *req) { r.ChannelList = []ksher.Channel{} }, []string{"channel_list"}},
		{"channel_list with nothing in it", func(r *req) { r.ChannelList = []ksher.Channel{""} }, []string{"channel_list"}},
		{"channel_list with a comma", func(r *req) { r.ChannelList = []ksher.Channel{"wechat,alipay"} }, []string{"channel_list"}},
		{"channel_list with a blank", func(r *req) { r.ChannelList = []ksher.Channel{"wechat", " alipay"} }, []string{"channel_list"}},
		{"channel_list not UTF-8", func(r *req) { r.ChannelList = []ksher.Channel{"wechat", "\xff"} }, []string{"channel_list"}},
		{"channel_list with a new channel", func(r *req) { r.ChannelList = []ksher.Channel{"brand_new"} }, nil},

		{"refer_url missing", func(r *req) { r.ReferURL = "" }, []string{"refer_url"}},
		{"mch_redirect_url missing", func(r *req) { r.MchRedirectURL = "" }, []string{"mch_redirect_url"}},
		{"mch_redirect_url_fail missing", func(r *req) { r.MchRedirectURLFail = "" }, []string{"mch_redirect_url_fail"}},
		{"mch_notify_url over http", func(r *req) { r.MchNotifyURL = "http://10.0.0.1:8080/notify?x=1" }, nil},

		{"device PC", func(r *req) { r.Device = "PC" }, nil},
		{"device in small letters", func(r *req) { r.Device = "pc" }, []string{"device"}},
		{"lang Thai", func(r *req) { r.Lang = "th" }, nil},
		{"lang zh", func(r *req) { r.Lang = "zh" }, []string{"lang"}},
		{"hide_explain hidden", func(r *req) { r.HideExplain, r.HideExpTime = ksher.VisibilityHidden, ksher.VisibilityShown }, nil},
		{"hide_explain true", func(r *req) { r.HideExplain = "true" }, []string{"hide_explain"}},
		{"hide_exp_time 2", func(r *req) { r.HideExpTime = "2" }, []string{"hide_exp_time"}},
		{"expire_time negative", func(r *req) { r.ExpireTime = -1 }, []string{"expire_time"}},

		{"member_id", func(r *req) { r.MemberID = "m1" }, nil},
		{"member_id of digits", func(r *req) { r.MemberID = "4711" }, []string{"member_id"}},
		{"member_id of 32 Thai letters", func(r *req) { r.MemberID = testkit.Thai32 }, nil},
		{"member_id of 33 Thai letters", func(r *req) { r.MemberID = testkit.Thai33 }, []string{"member_id"}},
		{"member_id of 33 digits", func(r *req) { r.MemberID = strings.Repeat("1", 33) }, []string{"member_id", "member_id"}},

		{"instalments with a bad channel", func(r *req) { r.InstalFeePayerMerchantChannelList = []ksher.Channel{"a b"} },
			[]string{"instal_fee_payer_merchant_channel_list"}},
	}
	for name, amount := range badAmounts {
		changes = append(changes, change[req]{"total_fee " + name, func(r *req) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	for _, feeType := range badFeeTypes {
		changes = append(changes, change[req]{"fee_type " + feeType, func(r *req) { r.FeeType = feeType }, []string{"fee_type"}})
	}
	for _, address := range badURLs {
		changes = append(changes,
			change[req]{"refer_url " + address, func(r *req) { r.ReferURL = address }, []string{"refer_url"}},
			change[req]{"mch_redirect_url " + address, func(r *req) { r.MchRedirectURL = address }, []string{"mch_redirect_url"}},
			change[req]{"mch_redirect_url_fail " + address, func(r *req) { r.MchRedirectURLFail = address }, []string{"mch_redirect_url_fail"}},
			change[req]{"mch_notify_url " + address, func(r *req) { r.MchNotifyURL = address }, []string{"mch_notify_url"}})
	}
	// The minimums, in baht, of the table in Ksher's guide, but for those that others
	// go below.
	minimums := map[ksher.Channel]ksher.Amount{"atome": 20, "scb_easy": 20, "bbl_deeplink": 20, "baybank_deeplink": 20, "kplus": 20}
	for name, tt := range map[string]struct {
		device   string
		channels []ksher.Channel
		want     []string
	}{
		"PC for an app of a bank":         {"PC", []ksher.Channel{"scb_easy"}, []string{"device"}},
		"PC for apps of banks":            {"PC", []ksher.Channel{"scb_easy", "kplus"}, []string{"device"}},
		"PC for an app of a bank or else": {"PC", []ksher.Channel{"scb_easy", "card"}, nil},
		"PC for something new":            {"PC", []ksher.Channel{"brand_new"}, nil},
		"H5 for an app of a bank":         {"H5", []ksher.Channel{"scb_easy"}, nil},
		"no device for an app of a bank":  {"", []ksher.Channel{"scb_easy"}, nil},
	} {
		changes = append(changes, change[req]{name, func(r *req) { r.Device, r.ChannelList = tt.device, tt.channels }, tt.want})
	}
	for channel, baht := range minimums {
		below := func(r *req) { r.TotalFee, r.ChannelList = 100*baht-1, []ksher.Channel{channel} }
		changes = append(changes,
			change[req]{string(channel) + " below its minimum", below, []string{"total_fee"}},
			change[req]{string(channel) + " at its minimum", func(r *req) { below(r); r.TotalFee++ }, nil},
			change[req]{string(channel) + " below its minimum, with a choice", func(r *req) { below(r); r.ChannelList = append(r.ChannelList, "wechat") }, nil},
			change[req]{string(channel) + " below its minimum, and that of the others", func(r *req) { below(r); r.ChannelList = append(r.ChannelList, "kplus") }, []string{"total_fee"}},
			change[req]{string(channel) + " below its minimum, in yen", func(r *req) { below(r); r.FeeType = "JPY" }, nil})
	}
	checkRequest(t, "gateway_pay", testkit.GoodGatewayPay, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.GatewayPay(ctx, r)
		return err
	}, changes)
}

func TestNumbersOfOrdersAreChecked(t *testing.T) {
	t.Run("gateway_order_query", func(t *testing.T) {
		type req = ksher.GatewayOrderQueryRequest
		checkRequest(t, "gateway_order_query", func() *req { return &req{MchOrderNo: testkit.OrderNo} },
			func(ctx context.Context, c *ksher.Client, r *req) error {
				_, err := c.GatewayOrderQuery(ctx, r)
				return err
			},
			[]change[req]{
				{"good", func(*req) {}, nil},
				{"missing", func(r *req) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
				{"blank", func(r *req) { r.MchOrderNo = " " }, []string{"mch_order_no"}},
				{"32 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
				{"33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, nil},
				{"not UTF-8", func(r *req) { r.MchOrderNo = "\xff" }, []string{"mch_order_no"}},
			})
	})
	t.Run("cancel_order", func(t *testing.T) {
		type req = ksher.CancelOrderRequest
		checkRequest(t, "cancel_order", func() *req { return &req{MchOrderNo: testkit.OrderNo} },
			func(ctx context.Context, c *ksher.Client, r *req) error { _, err := c.CancelOrder(ctx, r); return err },
			[]change[req]{
				{"good", func(r *req) { r.Lang = "en" }, nil},
				{"missing", func(r *req) { *r = req{Lang: "de"} }, []string{"mch_order_no", "lang"}},
				{"32 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
				{"33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, nil},
			})
	})
	t.Run("order_query", func(t *testing.T) {
		type req = ksher.OrderQueryRequest
		checkRequest(t, "order_query", func() *req { return &req{MchOrderNo: testkit.OrderNo} },
			func(ctx context.Context, c *ksher.Client, r *req) error { _, err := c.OrderQuery(ctx, r); return err },
			[]change[req]{
				{"good", func(*req) {}, nil},
				{"none", func(r *req) { *r = req{Channel: "wechat"} }, []string{"mch_order_no"}},
				{"blank", func(r *req) { r.MchOrderNo = " " }, []string{"mch_order_no"}},
				{"Ksher's", func(r *req) { *r = req{KsherOrderNo: "900"} }, nil},
				{"the channel's", func(r *req) { *r = req{ChannelOrderNo: "42"} }, nil},
				{"32 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
				{"33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, nil},
			})
	})
	t.Run("order_close", func(t *testing.T) {
		type req = ksher.OrderCloseRequest
		checkRequest(t, "order_close", func() *req { return &req{MchOrderNo: testkit.OrderNo} },
			func(ctx context.Context, c *ksher.Client, r *req) error { _, err := c.OrderClose(ctx, r); return err },
			[]change[req]{
				{"good", func(*req) {}, nil},
				{"none", func(r *req) { *r = req{OperatorID: "somchai"} }, []string{"mch_order_no"}},
				{"blank", func(r *req) { r.MchOrderNo = " " }, []string{"mch_order_no"}},
				{"Ksher's", func(r *req) { *r = req{KsherOrderNo: "900"} }, nil},
				{"the channel's", func(r *req) { *r = req{ChannelOrderNo: "42"} }, nil},
				{"32 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
				{"33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, nil},
			})
	})
}

// A request with several mistakes is corrected in one go, and the text stays
// fit for a log.
func TestTextOfWrongRequests(t *testing.T) {
	client := testkit.NewClient(t, testkit.Answering(500, ""))
	req := testkit.GoodGatewayPay()
	req.MchOrderNo = strings.Repeat("x\n", 50) + "x"
	req.FeeType = strings.Repeat("y\n", 500)
	req.ChannelList = []ksher.Channel{ksher.Channel(strings.Repeat("z\n", 500))}
	req.Device = string(strings.Repeat("d\n", 500))
	req.Extra = ksher.Extra{Params: map[string]string{strings.Repeat("e\n", 500): ""}}
	_, err := client.GatewayPay(t.Context(), req)
	assert.Equal(t, []string{"mch_order_no", "fee_type", "channel_list", "device", "Extra"}, testkit.FieldsOf(err))
	assert.Less(t, len(err.Error()), 3000)
	assert.NotContains(t, err.Error(), "\n")
	var invalid *ksher.ValidationError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, req.MchOrderNo, invalid.OrderNo, "as the caller gave it")
}
