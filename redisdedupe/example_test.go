package redisdedupe_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/ksher-go/ksher/redisdedupe"
)

// The balance grows once, though the notification comes twice. A program gives
// the Deduper to ksher.WithDeduper, and the handler of notifications calls Once.
func Example() {
	server := miniredis.NewMiniRedis() // Your Redis.
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()

	deduper, err := redisdedupe.New(client)
	if err != nil {
		log.Fatal(err)
	}
	credit := func(ctx context.Context) error {
		pipe, err := redisdedupe.Pipeline(ctx)
		if err != nil {
			return err
		}
		pipe.IncrBy(ctx, "balance:somchai", 10050)
		return nil
	}
	ctx := context.Background()
	for range 2 {
		if err := deduper.Once(ctx, "order-1", credit); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(client.Get(ctx, "balance:somchai").Val())
	// Output: 10050
}
