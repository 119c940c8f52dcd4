package shop

import (
	"github.com/ksher-go/ksher/redisdedupe"
	"github.com/redis/go-redis/v9"
)

const prefix = "ksher:"

type waiting struct {
	*redisdedupe.Deduper
	primary *redis.Client
}
