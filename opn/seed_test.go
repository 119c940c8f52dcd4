package opn_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

// guide is Opn's guide to K PLUS, which is kept outside the project.
const guide = "../../shared/seeds/003_21f692c6cc313b46.txt"

// members is an object as encoding/json reads it on its own.
func members(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&m))
	return m
}

// checkLossless reads an object, writes it again, and compares member by member.
// Every member has to have a field.
func checkLossless(t *testing.T, text []byte) {
	t.Helper()
	want := members(t, text)
	var object any = new(opn.Charge)
	if want["object"] == "source" {
		object = new(opn.Source)
	}
	require.NoError(t, json.Unmarshal(text, object))
	again, err := json.Marshal(object)
	require.NoError(t, err)
	got := members(t, again)
	for name, value := range want {
		assert.Equal(t, value, got[name], name)
		assert.Contains(t, got, name)
	}
	assert.Len(t, got, len(want))
	assert.Equal(t, string(text), string(reflect.ValueOf(object).Elem().FieldByName("Raw").Bytes()))
}

func TestLossless(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			checkLossless(t, []byte(strings.TrimSpace(string(text))))
		})
	}
	for name, change := range map[string]map[string]any{
		"paid":   paid,
		"failed": {"status": "failed", "failure_code": "insufficient_fund", "failure_message": "no money", "paid_at": nil},
		"expired": {"status": "expired", "expired": true, "expired_at": "2026-11-21T10:10:00Z", "expires_at": nil,
			"failure_code": "payment_expired"},
		"reversed": {"status": "reversed", "reversed_at": "2026-11-21T10:10:00.123456Z", "refunds": nil, "source": nil},
		"zeros":    {"fee": json.Number("0"), "metadata": map[string]any{"order": "A-1001"}, "description": "Tea", "customer": map[string]any{"id": "1"}},
	} {
		t.Run(name, func(t *testing.T) { checkLossless(t, []byte(edited(t, "charge.json", change))) })
	}
}

func TestGuideIsLossless(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Skip("Opn's guide isn't here: ", err)
	}
	objects := regexp.MustCompile(`(?ms)^\{\n  "object".*?^\}$`).FindAll(text, -1)
	require.Len(t, objects, 2)
	for _, object := range objects {
		checkLossless(t, object)
		// What is in testdata has the same shape.
		m := members(t, object)
		own, err := os.ReadFile("testdata/" + m["object"].(string) + ".json")
		require.NoError(t, err)
		checkShape(t, m, members(t, own))
	}
}

// checkShape compares names and kinds of two objects.
func checkShape(t *testing.T, want, got map[string]any) {
	t.Helper()
	for name, value := range want {
		require.Contains(t, got, name)
		assert.IsType(t, value, got[name], name)
		if inner, ok := value.(map[string]any); ok {
			checkShape(t, inner, got[name].(map[string]any))
		}
	}
	assert.Len(t, got, len(want))
}

// The local gateway's objects have the shape of the guide's.
func TestGatewayHasTheShapeOfTheGuide(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: sources and charges have the members that the guide shows")
	_, client := gateway(t)
	source, err := client.CreateSource(t.Context(), sourceRequest())
	require.NoError(t, err)
	text, err := os.ReadFile("testdata/source.json")
	require.NoError(t, err)
	checkShape(t, members(t, text), members(t, source.Raw))
	req := chargeRequest()
	req.Source = source.ID
	charge, err := client.CreateCharge(t.Context(), req)
	require.NoError(t, err)
	text, err = os.ReadFile("testdata/charge.json")
	require.NoError(t, err)
	checkShape(t, members(t, text), members(t, charge.Raw))
	assert.Equal(t, source.ID, charge.Source.ID)
}

func TestNullIsNotZero(t *testing.T) {
	var pending, failed opn.Charge
	require.NoError(t, json.Unmarshal([]byte(edited(t, "charge.json", nil)), &pending))
	require.NoError(t, json.Unmarshal([]byte(edited(t, "charge.json", map[string]any{
		"failure_code": "payment_rejected", "failure_message": "", "paid_at": "2026-11-21T10:03:00Z", "expires_at": missing,
	})), &failed))
	assert.Equal(t, opn.Null[opn.FailureCode]{}, pending.FailureCode)
	assert.Equal(t, opn.Null[time.Time]{}, pending.PaidAt)
	assert.Equal(t, opn.Null[time.Time]{V: time.Date(2026, 11, 28, 10, 0, 6, 0, time.UTC), Valid: true}, pending.ExpiresAt)
	assert.Equal(t, opn.Null[opn.FailureCode]{V: opn.FailureCodePaymentRejected, Valid: true}, failed.FailureCode)
	assert.Equal(t, opn.Null[string]{Valid: true}, failed.FailureMessage, "empty isn't null")
	assert.Equal(t, opn.Null[time.Time]{V: time.Date(2026, 11, 21, 10, 3, 0, 0, time.UTC), Valid: true}, failed.PaidAt)
	assert.False(t, failed.ExpiresAt.Valid, "left out")
	assert.Equal(t, "192.0.2.7", pending.Source.IP.V)
	assert.Equal(t, "AbCdEfGh01234567", pending.Source.ProviderReferences.V.ReferenceNumber1.V)

	again := opn.Null[int]{V: 7, Valid: true}
	require.NoError(t, json.Unmarshal([]byte("null"), &again))
	assert.Equal(t, opn.Null[int]{}, again, "what was there before is gone")
	require.Error(t, json.Unmarshal([]byte(`"x"`), &again))
}

func TestUnknownMembersAreInRaw(t *testing.T) {
	var charge opn.Charge
	require.NoError(t, json.Unmarshal([]byte(edited(t, "charge.json", map[string]any{"new_member": "here", "source.other": 1})), &charge))
	assert.Contains(t, string(charge.Raw), `"new_member":"here"`)
	assert.Contains(t, string(charge.Source.Raw), `"other":1`)
}

func TestAmount(t *testing.T) {
	for amount, want := range map[ksher.Amount]string{
		0: "0.00", 5: "0.05", 20_00: "20.00", 150_000_00: "150000.00", -1: "-0.01", -12345: "-123.45",
		-1 << 63: "-92233720368547758.08", 1<<63 - 1: "92233720368547758.07",
	} {
		assert.Equal(t, want, amount.String())
	}
	for _, text := range []string{"1.5", "123450.0", "1e3", `"123450"`, "true", "9223372036854775808"} {
		var charge opn.Charge
		err := json.Unmarshal([]byte(strings.Replace(edited(t, "charge.json", nil), `"amount":123450`, `"amount":`+text, 1)), &charge)
		assert.Error(t, err, text)
	}
}
