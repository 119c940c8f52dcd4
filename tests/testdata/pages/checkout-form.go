package shop

var req *ksher.GatewayPayRequest
