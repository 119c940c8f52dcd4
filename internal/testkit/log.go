package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// AssertNoSignature also finds a good part of one: cut off is not kept secret.
func AssertNoSignature(tb testing.TB, text, sign string) {
	tb.Helper()
	const part = 64
	for i := 0; i+part <= len(sign); i++ {
		if strings.Contains(text, sign[i:i+part]) {
			tb.Errorf("part of a signature is in %q", text)
			return
		}
	}
}

// LogLine is what the tests look at in a line of the log.
type LogLine struct {
	Level      string
	Msg        string
	AppID      string `json:"app_id"`
	Operation  string
	OrderNo    string `json:"order_no"`
	RefundNo   string `json:"refund_no"`
	Attempt    int
	Duration   *int64
	Outcome    string
	Code       string
	HTTPStatus int `json:"http_status"`
	Cause      string
	Reason     string
}

// LogBuffer gathers JSON log lines from any goroutine.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *LogBuffer) Text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *LogBuffer) Lines(tb testing.TB) []LogLine {
	tb.Helper()
	var lines []LogLine
	decoder := json.NewDecoder(strings.NewReader(b.Text()))
	for decoder.More() {
		var line LogLine
		require.NoError(tb, decoder.Decode(&line))
		lines = append(lines, line)
	}
	return lines
}

func (b *LogBuffer) Logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: level}))
}

// Observer is a hook that notes what it is told.
type Observer struct {
	mu          sync.Mutex
	Begun, Done []ksher.Attempt
}

func (o *Observer) Hook(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Begun = append(o.Begun, a)
	return ctx, func(a ksher.Attempt) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.Done = append(o.Done, a)
	}
}
