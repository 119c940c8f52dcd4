package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What is sent is told and arrives as it was, and what is secret isn't told.
func TestTeller(t *testing.T) {
	const form = "mch_order_no=A-1&receiver_no=0812345678&auth_code=134567&sign=00ff&note=a%1Bb&empty="
	var out bytes.Buffer
	var arrived string
	tell := teller{roundTrip(func(r *http.Request) (*http.Response, error) {
		text, err := io.ReadAll(r.Body)
		arrived = string(text)
		return &http.Response{StatusCode: 200, Body: http.NoBody}, err
	}), &out}
	req, err := http.NewRequest("POST", "https://user:secret@gateway.example/api/payout", strings.NewReader(form))
	require.NoError(t, err)
	_, err = tell.RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, form, arrived)
	assert.Equal(t, "POST https://gateway.example/api/payout: HTTP 200\n  auth_code=[secret]\n  empty=\n  mch_order_no=A-1\n  note=a�b\n  receiver_no=[secret]\n", out.String())

	out.Reset()
	failing := errors.New("refused")
	unread := strings.NewReader(form)
	req, err = http.NewRequest("POST", "https://gateway.example/api/payout", unread)
	require.NoError(t, err)
	_, err = teller{roundTrip(func(*http.Request) (*http.Response, error) { return nil, failing }), &out}.RoundTrip(req)
	assert.ErrorIs(t, err, failing)
	assert.Equal(t, len(form), unread.Len(), "what the transport didn't read wasn't read")
	assert.NotContains(t, out.String(), "0812345678")
}
