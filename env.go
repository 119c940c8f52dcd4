package ksher

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ClientFromEnv returns a client as the environment describes it: KSHER_APPID, and the
// private key in PEM as KSHER_PRIVATE_KEY or in the file KSHER_PRIVATE_KEY_FILE. The rest
// may be left out: KSHER_GATEWAY_URL, KSHER_MERCHANT_URL, KSHER_SIGN_VERSION (1 or 2),
// KSHER_PUBLIC_KEY_FILE for the only key that answers may be signed with, and
// KSHER_PLAIN_HTTP for the hosts of [WithPlainHTTP], separated by commas. The options
// given here come after those of the environment.
//
// The error names the variable that is missing or wrong, and never has a key in it.
func ClientFromEnv(opts ...Option) (*Client, error) {
	failed := func(name string, err error) (*Client, error) {
		return nil, fmt.Errorf("ksher: ClientFromEnv: %s: %w", name, err)
	}
	appID := os.Getenv("KSHER_APPID")
	if appID == "" {
		return failed("KSHER_APPID", errors.New("is not set"))
	}
	pem, name, err := envKey()
	if err != nil {
		return failed(name, err)
	}
	key, err := ParsePrivateKey(pem)
	if err != nil {
		return failed(name, err)
	}
	fromEnv, name, err := envOptions()
	if err != nil {
		return failed(name, err)
	}
	client, err := NewClient(appID, key, append(fromEnv, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("ksher: ClientFromEnv: %w", err)
	}
	return client, nil
}

// envKey returns the private key and the name of its variable.
func envKey() (pem []byte, name string, err error) {
	text, file := os.Getenv("KSHER_PRIVATE_KEY"), os.Getenv("KSHER_PRIVATE_KEY_FILE")
	switch {
	case text != "" && file != "":
		return nil, "KSHER_PRIVATE_KEY", errors.New("is set, and KSHER_PRIVATE_KEY_FILE as well: which of the two counts?")
	case text != "":
		return []byte(text), "KSHER_PRIVATE_KEY", nil
	case file == "":
		return nil, "KSHER_PRIVATE_KEY", errors.New("is not set, nor is KSHER_PRIVATE_KEY_FILE")
	}
	pem, err = os.ReadFile(file)
	return pem, "KSHER_PRIVATE_KEY_FILE", err
}

// envOptions returns the options of the environment. With an error, name is that of the
// variable.
func envOptions() (opts []Option, name string, err error) {
	if text := os.Getenv("KSHER_PLAIN_HTTP"); text != "" {
		hosts := strings.Split(text, ",")
		for i := range hosts {
			hosts[i] = strings.TrimSpace(hosts[i])
		}
		opts = append(opts, WithPlainHTTP(hosts...))
	}
	if address := os.Getenv("KSHER_GATEWAY_URL"); address != "" {
		opts = append(opts, WithGatewayURL(address))
	}
	if address := os.Getenv("KSHER_MERCHANT_URL"); address != "" {
		opts = append(opts, WithMerchantURL(address))
	}
	if version := os.Getenv("KSHER_SIGN_VERSION"); version != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(strings.ToUpper(version), "V"))
		if err != nil {
			return nil, "KSHER_SIGN_VERSION", errors.New("is neither 1 nor 2")
		}
		opts = append(opts, WithSignVersion(SignVersion(n)))
	}
	if file := os.Getenv("KSHER_PUBLIC_KEY_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, "KSHER_PUBLIC_KEY_FILE", err
		}
		key, err := ParsePublicKey(pem)
		if err != nil {
			return nil, "KSHER_PUBLIC_KEY_FILE", err
		}
		verifier, err := NewVerifier(key)
		if err != nil {
			return nil, "KSHER_PUBLIC_KEY_FILE", err
		}
		opts = append(opts, WithVerifier(verifier))
	}
	return opts, "", nil
}
