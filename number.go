package ksher

import (
	"crypto/rand"
	"time"
)

// NewOrderNo returns a number for a new order: 32 digits and capital letters, such as
// 20261121030405678K7QX2MZ4C5DGHTW. It is the time in UTC to the millisecond and 75 random
// bits, so that servers that know nothing of each other don't make the same number, and
// numbers sort by time. Keep it with your order before you call Ksher: it is the order's only
// name until the answer comes.
func NewOrderNo() string { return newNo("") }

// NewRefundNo returns a number for a new refund: like one by [NewOrderNo], with an R in front
// and 70 random bits. Keep it with your refund before you call Ksher, and repeat a refund that
// ended in doubt under the same one: Ksher carries out each number once.
func NewRefundNo() string { return newNo("R") }

func newNo(prefix string) string {
	now := time.Now().UTC().Format("20060102150405.000")
	no := prefix + now[:14] + now[15:]
	return no + rand.Text()[:maxString-len(no)]
}
