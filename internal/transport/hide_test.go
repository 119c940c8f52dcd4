package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ksher-go/ksher/internal/transport"
)

var hide transport.Hide = func(s string) string { return strings.ReplaceAll(s, "tok-123456", "[token]") }

func TestShield(t *testing.T) {
	t.Run("without a secret", func(t *testing.T) {
		assert.NoError(t, hide.Shield(nil))
		assert.Same(t, io.ErrUnexpectedEOF, hide.Shield(io.ErrUnexpectedEOF))
	})
	t.Run("with one", func(t *testing.T) {
		err := hide.Shield(fmt.Errorf("it said tok-123456: %w", context.DeadlineExceeded))
		assert.EqualError(t, err, "it said [token]: context deadline exceeded")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		for ; err != nil; err = errors.Unwrap(err) {
			assert.NotContains(t, err.Error(), "tok-123456")
		}
	})
	t.Run("with one that is cut in the text", func(t *testing.T) {
		// 200 characters are quoted, and half a token would be left of these.
		long := transport.Error{Err: errors.New(strings.Repeat("x", 195) + "tok-123456")}
		err := hide.Shield(fmt.Errorf("no answer came: %w", long))
		assert.NotContains(t, err.Error(), "tok-")
		assert.True(t, transport.Transient(err))
	})
	t.Run("a request that wasn't processed stays one", func(t *testing.T) {
		err := hide.Shield(transport.Unprocessed{Err: transport.Error{Err: &url.Error{Op: "POST", URL: "https://host.example/tok-123456", Err: io.EOF}}})
		var end transport.Unprocessed
		assert.ErrorAs(t, err, &end)
		assert.NotContains(t, err.Error(), "tok-123456")
	})
}

func TestHideQuote(t *testing.T) {
	assert.Equal(t, "no tok- here, [token]", hide.Quote([]byte("no tok- here, tok-123456")))
	assert.NotContains(t, hide.Quote([]byte(strings.Repeat("x", 195)+"tok-123456")), "tok-")
}
