package shop

import (
	"encoding/json"

	"github.com/ksher-go/ksher"
)

var (
	_ json.Number

	req        *ksher.MiniProgramPayRequest
	jsapi      *ksher.JSAPIPayRequest
	no, openID string
)
