#!/bin/sh
# Makes the keys and signatures in this folder with openssl, which knows nothing
# of this project. The keys are for tests only: everybody has them.
set -eu
cd "$(dirname "$0")"
mkdir -p keys openssl
for bits in 512 1024 2048 4096; do
	key=keys/rsa$bits
	[ -e $key.pkcs1.pem ] || openssl genrsa -traditional -out $key.pkcs1.pem $bits
	openssl pkcs8 -topk8 -nocrypt -in $key.pkcs1.pem -out $key.pkcs8.pem
	openssl rsa -in $key.pkcs1.pem -pubout -out $key.pkix.pem
	openssl rsa -in $key.pkcs1.pem -RSAPublicKey_out -out $key.pkcs1pub.pem
	openssl dgst -md5 -sign $key.pkcs1.pem -hex openssl/text.txt | sed 's/.*= *//' > openssl/rsa$bits.sign
done
openssl dgst -sha1 -sign keys/rsa512.pkcs1.pem -hex openssl/text.txt | sed 's/.*= *//' > openssl/rsa512.sha1.sign
openssl rsa -aes128 -passout pass:test -traditional -in keys/rsa1024.pkcs1.pem -out keys/encrypted.pkcs1.pem
openssl pkcs8 -topk8 -passout pass:test -in keys/rsa1024.pkcs1.pem -out keys/encrypted.pkcs8.pem
openssl ecparam -name prime256v1 -genkey -noout -out keys/ec.sec1.pem
openssl pkcs8 -topk8 -nocrypt -in keys/ec.sec1.pem -out keys/ec.pkcs8.pem
openssl ec -in keys/ec.sec1.pem -pubout -out keys/ec.pkix.pem
openssl genrsa -traditional -out keys/rsa384.pkcs1.pem 384 2>/dev/null || rm -f keys/rsa384.pkcs1.pem
