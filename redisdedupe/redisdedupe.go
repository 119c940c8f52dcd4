// Package redisdedupe remembers in Redis which payments were handled, so that
// several servers handle each of them once. Give its [Deduper] to
// [ksher.WithDeduper].
//
// A payment has one key. It holds a claim while a server handles the payment,
// and "done" for 48 hours afterwards, or "failed" if a command queued with
// [Pipeline] failed. To have a payment handled again, delete its key.
//
// # What is done once
//
// Commands that are queued with [Pipeline] are executed together with the note
// that the payment is done: both or neither. Only they are done once, whatever
// happens to the server. Everything else, such as a row in another database or
// an e-mail, is done again if the server dies, or loses Redis, between the work
// and the note. Make that work idempotent, by the order number.
//
// When the function has returned nil, the end of its context doesn't matter any
// more: what was queued, and the note, wait up to 10 seconds for a Redis that can
// take them, but not for longer than the lease. If the answer to them is lost,
// [Deduper.Once] returns an error. The next call returns nil if both were done, and
// otherwise runs the function again.
//
// # What can be queued
//
// Any command but those that end the transaction or change the connection, such as
// SELECT: after one of these, and after Discard, Once returns an error and executes
// nothing. Exec, Pipelined and TxPipelined return an error. What go-redis refuses by
// itself isn't queued: its Err says so at once. Queue a script with Eval:
// [redis.Script] can't see here that Redis doesn't know it yet.
//
// Redis takes nothing back: if a command fails when it is executed, such as an
// INCRBY of a key that holds a list, the others stay. Once returns an error then,
// now and at every later call, until somebody has put it right by hand and set the
// key to "done", or deleted it. Only if the server dies between the two steps that
// this takes, the key stays "done".
//
// # What Redis forgets
//
// If Redis forgets a claim or "done", the function runs again, at the same time or
// with the next notification. A failover forgets what the promoted replica hadn't
// received and what an old primary took before it heard of the new one; with "done"
// it forgets what was queued with [Pipeline]. A crash forgets what wasn't on the
// disk: without "appendfsync always" a second or more. A full memory forgets "done"
// alone, so that what was queued is executed twice, unless "maxmemory-policy" is
// "noeviction". Neither a setting nor WAIT excludes what a failover loses: money that
// must be right belongs in SQL (sqldedupe, pgxdedupe), or in a row that is unique by
// the order number. How to set Redis up, and what was measured, stands in
// https://github.com/ksher-go/ksher/blob/main/docs/redis.md.
//
// # Redis Cluster
//
// A payment has one key, so without [Pipeline] a cluster needs nothing special. It
// executes commands together only if their keys are in one hash slot: to use
// [Pipeline], put a hash tag into the prefix, such as WithPrefix("{shop}:"), and the
// same tag into the keys of what is queued. Otherwise nothing is executed, and
// [Deduper.Once] returns an error that says so. One tag means one slot, and so one
// primary for all payments of the shop.
package redisdedupe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ksher-go/ksher"
)

const (
	defaultLease  = 2 * time.Minute
	defaultPrefix = "ksher:"
	// A claim's end doesn't depend on the request any more. The note waits for a
	// failover, because without it the function runs again. To give a claim back only
	// saves time.
	noteTimeout = 10 * time.Second
	giveTimeout = 2 * time.Second
	settlePause = 100 * time.Millisecond
	// keep is how long a key is remembered. The notifications of a payment repeat over
	// 29 hours.
	keep = 48 * time.Hour
)

// What a key holds. A random token follows claimed, a command's name failed.
const (
	claimed = "claimed "
	done    = "done"
	failed  = "failed "
)

var errLost = errors.New("the claim ended before fn did")

// Deduper is a [ksher.Deduper] in Redis. Make one with [New] and share it: it is
// safe for concurrent use.
type Deduper struct {
	client redis.UniversalClient
	lease  time.Duration
	prefix string
}

var _ ksher.Deduper = (*Deduper)(nil)

// Option sets up a [Deduper].
type Option func(*Deduper) error

// WithLease sets for how long a claim lasts, 2 minutes by default and at least a
// second. The payment of a server that died is handled by another one after
// that. The context of the function ends after three quarters of it.
func WithLease(lease time.Duration) Option {
	return func(d *Deduper) error {
		if lease < time.Second {
			return fmt.Errorf("WithLease: %v is too short, it has to be a second or more", lease)
		}
		d.lease = lease
		return nil
	}
}

// WithPrefix sets what the names of the keys begin with, "ksher:" by default. A
// Redis user may be confined to certain names, and a cluster needs a hash tag,
// as the package's documentation says. All servers need the same prefix. It
// can't be empty.
func WithPrefix(prefix string) Option {
	return func(d *Deduper) error {
		if prefix == "" {
			return errors.New("WithPrefix: the prefix is empty")
		}
		d.prefix = prefix
		return nil
	}
}

// New returns a Deduper that uses the client, which stays the caller's to close.
// Nothing is sent. The error says which argument is wrong: a client that is nil,
// an option, or a [redis.Ring], which forgets what a shard knows as soon as the
// shard is out of reach.
func New(client redis.UniversalClient, opts ...Option) (*Deduper, error) {
	if v := reflect.ValueOf(client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("redisdedupe: the client is nil")
	}
	if _, ok := client.(*redis.Ring); ok {
		return nil, errors.New("redisdedupe: a redis.Ring moves keys to an empty shard when one fails, so payments would be handled twice")
	}
	d := &Deduper{client: client, lease: defaultLease, prefix: defaultPrefix}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("redisdedupe: an option is nil")
		}
		if err := opt(d); err != nil {
			return nil, fmt.Errorf("redisdedupe: %w", err)
		}
	}
	return d, nil
}

// Once runs fn, unless it has returned nil for this key in the last 48 hours, on any
// server. While another call runs one for the key, it returns [ksher.ErrInProgress].
// It returns fn's error, after which the next call runs fn again, as after a panic.
//
// The context of fn ends after three quarters of the lease, and takes [Pipeline]. A fn
// that outlasts the lease loses its claim: nothing that it queued is executed, and
// Once returns [ksher.ErrInProgress] if fn returned nil.
//
// After another error the note may be missing: call again. Only if the error says that
// a payment is done in part, a person has to look; see the package's documentation.
func (d *Deduper) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	if d == nil || d.client == nil {
		return errors.New("redisdedupe: make a Deduper with New")
	}
	key = d.prefix + key
	token := claimed + rand.Text()
	// Counted from before the claim is sent, so that it never ends after it.
	deadline := time.Now().Add(d.lease / 4 * 3)
	if ours, err := d.claim(ctx, key, token); err != nil || !ours {
		return err
	}
	finished := false
	// Deferred, because fn may panic.
	defer func() {
		if !finished {
			// If this fails, the claim ends with the lease.
			_ = d.settle(ctx, giveTimeout, key, token, redis.NewIntCmd(ctx, "del", key))
		}
	}()
	q := &queue{Pipeliner: d.client.TxPipeline()}
	fnCtx, cancel := context.WithDeadline(context.WithValue(ctx, queueKey{}, q), deadline)
	defer cancel()
	if err := fn(fnCtx); err != nil {
		return err
	}
	if err := q.check(); err != nil {
		return fmt.Errorf("redisdedupe: nothing queued for %q is executed: %w", key, err)
	}
	err := d.complete(ctx, key, token, q.Cmds())
	finished = err == nil
	return err
}

// claim reports whether the key is ours now. If it isn't, and there is no error,
// it is done.
func (d *Deduper) claim(ctx context.Context, key, token string) (bool, error) {
	ours, err := d.client.SetNX(ctx, key, token, d.lease).Result()
	if err != nil {
		d.lookAgain(ctx)
		return false, fmt.Errorf("redisdedupe: claiming %q: %w", key, err)
	}
	if ours {
		return true, nil
	}
	value, err := d.client.Get(ctx, key).Result()
	switch {
	case errors.Is(err, redis.Nil):
		// Whoever had it has just given it back.
		return false, ksher.ErrInProgress
	case err != nil:
		return false, fmt.Errorf("redisdedupe: reading who claimed %q: %w", key, err)
	case value == token:
		// The client repeats a command whose answer was lost.
		return true, nil
	case value == done:
		return false, nil
	case strings.HasPrefix(value, claimed):
		return false, ksher.ErrInProgress
	case strings.HasPrefix(value, failed):
		return false, inPart(key, strings.TrimPrefix(value, failed))
	}
	return false, fmt.Errorf("redisdedupe: the key %q holds something else: delete it, or choose another prefix", key)
}

// complete executes what was queued, together with the note.
func (d *Deduper) complete(ctx context.Context, key, token string, queued []redis.Cmder) error {
	note := redis.NewStatusCmd(ctx, "set", key, done, "px", keep.Milliseconds())
	cmds := append(queued, note)
	err := d.settle(ctx, noteTimeout, key, token, cmds...)
	bad, noted := firstFailed(cmds), note.Val() == "OK"
	switch {
	case errors.Is(err, errLost):
		return fmt.Errorf("redisdedupe: %w, and nothing queued for %q was executed: %w", errLost, key, ksher.ErrInProgress)
	case noted && bad == nil:
		return nil
	case noted:
		err := fmt.Errorf("%w: %w", inPart(key, bad.Name()), bad.Err())
		// In a second step, because a transaction of Redis can't look at its own answers.
		if e := d.settle(ctx, noteTimeout, key, done, redis.NewStatusCmd(ctx, "set", key, failed+bad.Name())); e != nil {
			return fmt.Errorf("%w; the key may still hold %q: %w", err, done, e)
		}
		return err
	case otherSlot(err, bad):
		return fmt.Errorf("redisdedupe: nothing queued for %q was executed, because its keys aren't all in one slot of the cluster: put a hash tag into WithPrefix and into every key that is queued (or the slot has just moved: call again): %w", key, err)
	case redis.IsExecAbortError(err) && bad != nil:
		return fmt.Errorf("redisdedupe: nothing queued for %q was executed, because Redis refused %s: %w", key, bad.Name(), bad.Err())
	default:
		return fmt.Errorf("redisdedupe: noting that %q is done failed, or the answer was lost: %w", key, err)
	}
}

// otherSlot reports whether a cluster refused the commands for where their keys are.
// What it has itself it refuses at EXEC, what another server has when it is queued.
func otherSlot(err error, bad redis.Cmder) bool {
	if bad == nil {
		return false
	}
	_, moved := redis.IsMovedError(bad.Err())
	return moved && redis.IsExecAbortError(err) || redis.HasErrorPrefix(err, "CROSSSLOT")
}

// inPart is the error of a payment of which a queued command failed.
func inPart(key, command string) error {
	return fmt.Errorf("redisdedupe: %q is done in part: the queued %s failed when Redis executed it, and the rest stays: put it right by hand, then set the key to %q, or delete it to have all of it done again", key, command, done)
}

// firstFailed returns the first command that failed by itself, or nil.
func firstFailed(cmds []redis.Cmder) redis.Cmder {
	for _, cmd := range cmds {
		// To look for what isn't there is no failure, and EXECABORT is what the
		// neighbours of the one that was refused get.
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) && !redis.IsExecAbortError(err) {
			return cmd
		}
	}
	return nil
}

// settle executes the commands in one transaction, if the key still holds that. While
// there is no primary that can, it tries again, but not for longer than the claim.
func (d *Deduper) settle(ctx context.Context, timeout time.Duration, key, holds string, cmds ...redis.Cmder) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(timeout, d.lease))
	defer cancel()
	var failure error
	for {
		sent, err := d.attempt(ctx, key, holds, cmds)
		if failure == nil || ctx.Err() == nil {
			failure = err
		}
		// What may have been executed isn't sent again.
		if err == nil || sent && !redis.IsExecAbortError(err) || !transient(err, cmds) {
			return failure
		}
		d.lookAgain(ctx)
		select {
		case <-ctx.Done():
			return failure
		case <-time.After(settlePause):
		}
	}
}

// lookAgain has the client of a cluster ask where the primaries are. After a dial that
// failed go-redis does that only every minute.
func (d *Deduper) lookAgain(ctx context.Context) {
	if cluster, ok := d.client.(interface{ ReloadState(context.Context) }); ok {
		cluster.ReloadState(ctx)
	}
}

// attempt tries once, and reports whether the commands may have arrived.
func (d *Deduper) attempt(ctx context.Context, key, holds string, cmds []redis.Cmder) (sent bool, err error) {
	err = d.client.Watch(ctx, func(tx *redis.Tx) error {
		value, err := tx.Get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		if value != holds {
			return errLost
		}
		sent = true
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.BatchProcess(ctx, cmds...) })
		return err
	}, key)
	if errors.Is(err, redis.TxFailedErr) {
		err = errLost
	}
	return sent, err
}

// transient reports whether another primary, or the same one later, may do what failed.
func transient(err error, cmds []redis.Cmder) bool {
	if errors.Is(err, errLost) || errors.Is(err, redis.ErrClosed) {
		return false
	}
	if bad := firstFailed(cmds); bad != nil && redis.IsExecAbortError(err) {
		err = bad.Err()
	}
	var answer redis.Error
	if !errors.As(err, &answer) {
		return true
	}
	for _, is := range []func(error) bool{
		redis.IsReadOnlyError, redis.IsClusterDownError, redis.IsTryAgainError, redis.IsLoadingError,
		redis.IsMasterDownError, redis.IsNoReplicasError, redis.IsMaxClientsError,
	} {
		if is(err) {
			return true
		}
	}
	return false
}

// Pipeline returns the queue that belongs to the context of the function that
// [Deduper.Once] runs. When that function returns nil, Redis executes the commands in
// it, in one MULTI and EXEC, with the note that the payment is done. Otherwise it
// executes none. Their answers are there after Once. The package's documentation says
// what can't be queued.
//
// The queue isn't safe for concurrent use, and what is queued after the function has
// returned is lost. The error says that ctx isn't one that Once made.
func Pipeline(ctx context.Context) (redis.Pipeliner, error) {
	q, ok := ctx.Value(queueKey{}).(*queue)
	if !ok {
		return nil, errors.New("redisdedupe: Pipeline needs the context that Once gave to the function")
	}
	return q, nil
}

type queueKey struct{}

// queue collects commands that only Once executes.
type queue struct {
	redis.Pipeliner
	discarded bool
}

// outside are the commands after which the note would be written without the
// others, into another database, or not for sure.
var outside = map[string]bool{
	"multi": true, "exec": true, "discard": true, "watch": true, "unwatch": true, "reset": true, "quit": true,
	"select": true, "swapdb": true, "auth": true, "hello": true, "client": true, "asking": true, "readonly": true, "readwrite": true,
	"monitor": true, "sync": true, "psync": true, "subscribe": true, "psubscribe": true, "ssubscribe": true,
	"unsubscribe": true, "punsubscribe": true, "sunsubscribe": true,
}

// check says what in the queue must not be executed with the note.
func (q *queue) check() error {
	if q.discarded {
		return errors.New("the function discarded the queue: return an error instead")
	}
	for _, cmd := range q.Cmds() {
		if outside[cmd.Name()] {
			return fmt.Errorf("%s can't be part of it", cmd.Name())
		}
	}
	return nil
}

// Discard can't return an error, so Once does.
func (q *queue) Discard() { q.discarded = true }

var errExec = errors.New("redisdedupe: the queue is executed when the function returns nil, and can't be executed before")

func (q *queue) Exec(context.Context) ([]redis.Cmder, error) { return nil, errExec }

func (q *queue) Pipelined(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return nil, errExec
}

func (q *queue) TxPipelined(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return nil, errExec
}

func (q *queue) Pipeline() redis.Pipeliner { return q }

func (q *queue) TxPipeline() redis.Pipeliner { return q }
