package doctor

import (
	"crypto/rsa"
	"fmt"
	"regexp"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/transport"
)

// usualAppID is how app IDs look.
var usualAppID = regexp.MustCompile(`^mch[0-9]+$`)

func (v *visit) appID() result {
	switch {
	case v.AppID == "":
		return result{Fail, "there is none", "set KSHER_APPID to the app ID on Ksher's merchant platform, such as mch12345; or add --sandbox"}
	case !usualAppID.MatchString(v.AppID):
		return result{Warn, fmt.Sprintf("%q, which isn't mch and the merchant's number", transport.Clip(v.AppID)), "compare KSHER_APPID with the merchant platform"}
	}
	return result{status: OK, came: v.AppID}
}

// Keys of fewer bits can be factored, and new ones have goodBits.
const (
	weakBits = 1024
	goodBits = 2048
)

func (v *visit) key() result {
	if v.KeyErr != nil {
		return result{Fail, fmt.Sprintf("%s: %v", v.KeyFrom, v.KeyErr), "set KSHER_PRIVATE_KEY_FILE to the file with the private key, or KSHER_PRIVATE_KEY to what is in it"}
	}
	signer, err := ksher.ParsePrivateKey(v.Key)
	if err != nil {
		return result{Fail, fmt.Sprintf("%s: %s", v.KeyFrom, plain(err)), "give the private key as the merchant platform hands it out, in PEM"}
	}
	public, ok := signer.Public().(*rsa.PublicKey)
	if !ok {
		return result{Fail, v.KeyFrom + ": it isn't an RSA key", "Ksher takes RSA keys only"}
	}
	came := fmt.Sprintf("%s: RSA, %d bits", v.KeyFrom, public.N.BitLen())
	switch bits := public.N.BitLen(); {
	case v.Local:
	case bits < weakBits:
		return result{Warn, came + "; it can be factored in hours on rented machines, and then others refund in your name",
			"make a longer one with ksher key new, and upload its public half to the merchant platform"}
	case bits < goodBits:
		return result{Warn, came + ", shorter than keys should be today", "make a longer one with ksher key new, when you have time"}
	}
	return result{status: OK, came: came}
}

func (v *visit) md5() result {
	mode := "no FIPS mode"
	if v.FIPS() {
		mode = "FIPS mode"
	}
	if err := v.MD5(); err != nil {
		return result{Fail, fmt.Sprintf("%s: %v", mode, err), "run this program and the shop without GODEBUG=fips140=only, which forbids the MD5 that Ksher demands"}
	}
	return result{status: OK, came: mode + ", and MD5 works in this program; the shop's own may run in another mode"}
}

func (v *visit) settings() result {
	client, err := v.Client(v.httpClient(), ksher.WithRetry(1, 0), ksher.WithTimeout(v.Patience))
	if err != nil {
		return result{Fail, plain(err), "correct what it names; docs/configuration.md lists the variables"}
	}
	v.client = client
	health := client.KeyHealth()
	return result{status: OK, came: fmt.Sprintf("they make a client that asks for answers signed with version %d of Ksher's keys", health.SignVersion)}
}
