package shop

import (
	"context"
	"net"
	"net/http"
)

var (
	handler  http.Handler
	listener net.Listener
	stopping context.Context
	open     ksher.OpenOrder
	req      *ksher.QuickPayRequest
)

func serve(context.Context, net.Listener, http.Handler, *ksher.Payments, ksher.OpenOrders) error {
	return nil
}

func until(stopping context.Context, r *http.Request) (context.Context, context.CancelFunc) {
	return nil, nil
}
