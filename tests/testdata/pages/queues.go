package shop

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

var queue *river.Client[pgx.Tx]

type shop struct{ notifications *ksher.Notifications }

type notificationArgs struct{ Body []byte }

func (notificationArgs) Kind() string { return "ksher_notification" }
