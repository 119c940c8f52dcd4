package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/ksher-go/ksher"
)

// notificationArgs is a notification as it came. It is bytes, because River keeps jobs as
// JSON, and a text that isn't UTF-8 would be changed there and lose its signature.
type notificationArgs struct {
	Body []byte `json:"body"`
}

// Kind names the job.
func (notificationArgs) Kind() string { return "ksher_notification" }

// fulfilArgs is a paid order to be sent.
type fulfilArgs struct {
	No string `json:"no"`
}

// Kind names the job.
func (fulfilArgs) Kind() string { return "fulfil" }

// refundArgs is an order whose money goes back.
type refundArgs struct {
	No string `json:"no"`
}

// Kind names the job.
func (refundArgs) Kind() string { return "refund" }

// passArgs is a pass over the open orders.
type passArgs struct{}

// Kind names the job.
func (passArgs) Kind() string { return "ksher_pass" }

// InsertOpts lets one pass at a time exist, in whatever process. A pass isn't tried again,
// because the next one is due soon, and River's retries would keep that from being
// inserted, for longer after each failure.
func (passArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateScheduled, rivertype.JobStateRetryable,
	}}}
}

// work configures River.
func (s *shop) work() *river.Config {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(s.notified))
	river.AddWorker(workers, river.WorkFunc(s.fulfil))
	river.AddWorker(workers, river.WorkFunc(s.refund))
	river.AddWorker(workers, river.WorkFunc(s.reconcile))
	return &river.Config{
		Logger:  s.log,
		Workers: workers,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 10}},
		// The jobs of a process that died wait for this long, an hour by default.
		JobTimeout: s.patience, RescueStuckJobsAfter: 2 * s.patience,
		SoftStopTimeout: s.patience,
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(s.pass),
			func() (river.JobArgs, *river.InsertOpts) { return passArgs{}, nil },
			&river.PeriodicJobOpts{RunOnStart: true})},
	}
}

// notified does what the notification's handler would do in a shop without a queue.
func (s *shop) notified(ctx context.Context, job *river.Job[notificationArgs]) error {
	again, err := s.notifications.Accept(ctx, job.Args.Body)
	switch {
	case errors.Is(err, ksher.ErrInProgress):
		// Another job of the same payment is at it, or its process has just died. This
		// is no failure, after which River would wait longer each time.
		return river.JobSnooze(2 * time.Second)
	case err != nil && !again:
		return river.JobCancel(err)
	}
	return err // Of an error River tries again.
}

// fulfil packs the parcel of an order. The same job may run twice: a process may die after
// the commit, before River has noted that the job is done. So the order's state decides.
func (s *shop) fulfil(ctx context.Context, job *river.Job[fulfilArgs]) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		moved, err := tx.Exec(ctx, "UPDATE orders SET state = $1 WHERE no = $2 AND state = $3", sent, job.Args.No, paid)
		if err != nil || moved.RowsAffected() == 0 {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO parcels (no) VALUES ($1)", job.Args.No)
		return err
	})
}

// refund gives the money of an order back, or hands it to a person. The refund's number is
// made of the order's, so that Ksher carries it out once however often the job runs.
func (s *shop) refund(ctx context.Context, job *river.Job[refundArgs]) error {
	o, err := s.expected(ctx, job.Args.No)
	if err != nil {
		return err
	}
	_, err = s.client.Refund(ctx, &ksher.RefundRequest{MchOrderNo: o.MchOrderNo, Host: o.Host, MchRefundNo: "R" + o.MchOrderNo, RefundFee: o.TotalFee})
	// What became of it is written down even if the job's time ended meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	switch {
	case err == nil:
		return s.move(ctx, o.MchOrderNo, refundDue, refunded)
	case job.Attempt < job.MaxAttempts && !hopeless(err):
		return err
	}
	s.problem(ctx, o, err)
	// The state first: if the process dies in between, the job runs again.
	if err := s.move(ctx, o.MchOrderNo, refundDue, needsPerson); err != nil {
		return err
	}
	return river.JobCancel(err)
}

// hopeless tells the errors of a refund that another try can't change: it is refused for
// good, or what was paid can't be refunded by a program. After an unknown outcome, the
// same refund has to be tried again.
func hopeless(err error) bool {
	var invalid *ksher.ValidationError
	var failed *ksher.Error
	switch {
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		return false
	case errors.As(err, &invalid), errors.Is(err, ksher.ErrNotPaid), errors.Is(err, ksher.ErrOtherOrder):
		return true
	}
	return errors.As(err, &failed) && failed.Operation == "order_refund" && failed.Err == nil
}

// reconcile asks about open orders for as long as its time allows, and leaves the rest to
// the next pass.
func (s *shop) reconcile(ctx context.Context, _ *river.Job[passArgs]) error {
	after, err := s.lastPlace(ctx)
	if err != nil {
		return err
	}
	// It ends before the job's own context, so that the place can be kept.
	passing, cancel := context.WithTimeout(ctx, s.patience*3/4)
	defer cancel()
	result, err := s.payments.Pass(passing, s, after)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil
	}
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err = errors.Join(err, s.keepPlace(keeping, result.After))
	s.log.Info("asked about open orders", "result", fmt.Sprintf("%+v", result))
	return err
}
