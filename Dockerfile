# The sandbox, or another program of this project, built before:
#
#	CGO_ENABLED=0 go build -trimpath -o ./build/ ./cmd/ksher ./examples/webshop
#	docker build -t ksher .
#	docker run -p 127.0.0.1:8765:8765 -e KSHER_SANDBOX_PUBLIC_URL=http://localhost:8765 ksher
FROM scratch
COPY build/ksher /ksher
# Nobody: with --data give a user who may write to the file.
USER 65534:65534
# What the container publishes decides who reaches it.
ENV KSHER_SANDBOX_LISTEN=0.0.0.0:8765 KSHER_SANDBOX_ALLOW_REMOTE=true
EXPOSE 8765
HEALTHCHECK --interval=5s --timeout=6s --start-period=5s CMD ["/ksher", "health"]
ENTRYPOINT ["/ksher"]
CMD ["sandbox"]
