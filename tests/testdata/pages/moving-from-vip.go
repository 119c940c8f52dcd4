package shop

import (
	"github.com/ksher-go/ksher/vip"
	"github.com/ksher-go/ksher/vip/migrate"
)

var (
	redirectRequest *vip.RedirectRequest
	onVIP           *vip.Notifications
	onAPI           *ksher.Notifications
)
