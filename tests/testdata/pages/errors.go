package shop

var req *ksher.RefundRequest
