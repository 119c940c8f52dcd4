package conformance

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/wire"
)

// opened is a notification taken apart.
func opened(body []byte) (data []wire.Member, sign string) {
	outer, data, err := wire.ParseEnvelope(body)
	if err != nil {
		panic(fmt.Sprintf("a notification of this program's: %v", err))
	}
	value, _ := wire.Find(outer, "sign")
	return data, string(value.Text())
}

// under is a notification with another signature.
func under(body []byte, sign string) []byte {
	_, old := opened(body)
	return bytes.Replace(body, []byte(old), []byte(sign), 1)
}

// forged is a notification under a signature that nobody made.
func forged(body []byte) []byte {
	_, sign := opened(body)
	digit := "0"
	if sign[1] == '0' {
		digit = "1"
	}
	return under(body, sign[:1]+digit+sign[2:]) // Not the first digit, so that it stays below the modulus.
}

// byOtherKey is a notification that the merchant's own key has signed.
func byOtherKey(body []byte) []byte {
	data, _ := opened(body)
	digest := md5.Sum(wire.AppendSignText(nil, data, nil, false))
	sign, err := sandbox.PrivateKey().Sign(rand.Reader, digest[:], crypto.MD5)
	if err != nil {
		panic(err) // The sandbox has signed with it.
	}
	return under(body, hex.EncodeToString(sign))
}

// stranger is the app ID of an attacker who is a merchant, too.
const stranger = "lch54321"

// recut is a notification of the attacker's own order, cheap and paid, whose signed text was
// cut up into a payment of the victim's. Nothing stands between the parameters in that text,
// and the attacker chooses what is attached to an order.
func recut(victim *ksher.Order) []byte {
	claimed, own := members(victim), members(victim)
	own["mch_order_no"], own["total_fee"] = text(ksher.NewOrderNo()), json.RawMessage("1")
	for _, m := range []map[string]json.RawMessage{claimed, own} {
		delete(m, "attach")
		delete(m, "appid")
	}
	rest := signText(own)
	own["appid"], own["attach"] = text(stranger), text("appid="+victim.AppID+signText(claimed)+"zzz=")
	_, sign := opened(sandbox.SignedResponse(own))

	claimed["appid="+stranger+"attach"], claimed["appid"], claimed["zzz"] = text(""), text(victim.AppID), text(rest)
	return fmt.Appendf(nil, `{"code":0,"msg":"ok","message":"ok","data":%s,"sign":%q}`, object(claimed), sign)
}

// members are the data of a notification.
func members(o *ksher.Order) map[string]json.RawMessage {
	data, _ := opened(sandbox.SignedResponse(o))
	m := make(map[string]json.RawMessage)
	for _, member := range data {
		m[string(member.Name)] = json.RawMessage(member.Value.Raw)
	}
	return m
}

func text(s string) json.RawMessage {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // A string can be written.
	}
	return quoted
}

// signText is the text of members that is signed.
func signText(m map[string]json.RawMessage) string {
	parsed, err := wire.ParseObject(object(m))
	if err != nil {
		panic(fmt.Sprintf("a notification of this program's: %v", err))
	}
	return string(wire.AppendSignText(nil, parsed, nil, false))
}

// object writes members as JSON.
func object(m map[string]json.RawMessage) []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // They were JSON.
	}
	return body
}
