package shop

import "github.com/ksher-go/ksher/kshertest"

var req *ksher.GatewayPayRequest
