package api

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// shapes are what genuine answers have otherwise than the types of package ksher say, which
// read any of it. What isn't here is written as its type has it.
var shapes = map[string]shape{
	"order_query":  {without: []string{"pay_mch_order_no"}},
	"quick_pay":    {without: []string{"pay_mch_order_no"}},
	"refund_query": {texts: []string{"cash_fee", "refund_count", "refund_fee"}},
}

// shape is how an answer's data is written.
type shape struct {
	// without are members that aren't there, texts numbers that are texts.
	without, texts []string
}

// give changes members so.
func (s shape) give(members map[string]json.RawMessage) {
	for _, name := range s.without {
		delete(members, name)
	}
	for _, name := range s.texts {
		members[name] = quoted(members[name])
	}
}

// quoted writes a number as a text.
func quoted(number json.RawMessage) json.RawMessage {
	if len(number) == 0 || number[0] == '"' {
		return number
	}
	return json.RawMessage(`"` + string(number) + `"`)
}

// vary writes the fees of an order as genuine answers have them now and then: as texts, or
// the cash fee empty. It depends on the order's number alone, so that each of an order's
// answers has the same.
func vary(members map[string]json.RawMessage) {
	var no string
	if json.Unmarshal(members["mch_order_no"], &no) != nil || no == "" {
		return
	}
	h := fnv.New32a()
	h.Write([]byte(no))
	switch h.Sum32() % 4 {
	case 0:
		for _, name := range []string{"total_fee", "cash_fee", "raw_total_fee", "refund_fee", "cash_refund_fee"} {
			if members[name] != nil {
				members[name] = quoted(members[name])
			}
		}
	case 1:
		if members["cash_fee"] != nil {
			members["cash_fee"], members["cash_fee_type"] = json.RawMessage(`""`), json.RawMessage(`""`)
		}
	}
}

// shaped is the data of an answer to an operation as the real gateway writes it, with its
// times in that zone.
func (s *Server) shaped(operation string, data any, zone *time.Location) json.RawMessage {
	text := dataText(data, zone)
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		panic(fmt.Sprintf("kshertest: the data of an answer: %v", err))
	}
	shapes[operation].give(members)
	if s.varied {
		vary(members)
	}
	return core.Marshal(members)
}

// microseconds is how the merchant host writes the moment of an answer, in UTC+8.
const microseconds = "2006-01-02T15:04:05.000000-07:00"

// host is a host of Ksher's, by what its answers are wrapped in.
type host string

// Hosts. A mock of a merchant's has the members of both.
const (
	gatewayHost  host = "gateway"
	merchantHost host = "merchant"
	bothHosts    host = "both"
)

// hostOf is the host of an operation.
func (op operation) hostOf() host {
	if strings.HasPrefix(op.path, "/api/") {
		return gatewayHost
	}
	return merchantHost
}

// verdict is what an answer says beside its data: the code of a refusal, "" for none, why a
// strict gateway refuses, and when it was given.
type verdict struct {
	code ksher.Code
	l    *core.Leniency
	at   time.Time
}

// wrap writes an answer of a host around members, which have its code, data and signature.
func (v verdict) wrap(h host, members map[string]any) []byte {
	// Who looks at msg alone, as some clients do, mustn't take a refusal for a yes.
	members["msg"] = "ok"
	if v.code != "" {
		members["msg"] = string(v.code)
	}
	if h != merchantHost {
		members["lang"], members["message"] = "en", "ok"
		if v.code != "" {
			members["message"] = because(v.code, v.l)
		}
	}
	if h != gatewayHost {
		members["status_code"], members["status_msg"], members["version"] = "", "", "3.0.0"
		if v.code != "" {
			members["status_msg"] = because(v.code, v.l)
		}
		members["time_stamp"] = v.at.In(time.FixedZone("", 8*60*60)).Format(microseconds)
	}
	return core.Marshal(members)
}

// failed is the answer to a call that wasn't processed: its code isn't 0, and it has
// neither data nor signature. Where such an answer has the name of the error isn't
// documented.
func (v verdict) failed(h host) []byte { return v.wrap(h, map[string]any{"code": 1}) }

// signed is the answer with that data, of which only the members of those names are signed,
// all of them if part is nil.
func (v verdict) signed(h host, data json.RawMessage, part []string, version ksher.SignVersion) []byte {
	return v.wrap(h, map[string]any{"code": 0, "data": data, "sign": signData(data, part, version)})
}
