# The server in an image that holds nothing but it and the certificate authorities that it trusts:
#
#     docker build -t pulsegate .
#     docker run --rm -p 8080:8080 pulsegate serve --set brokerServiceUrl=pulsar://broker:6650
#
# A configuration file is read at /conf/websocket.conf if there is one.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/pulsegate ./cmd/pulsegate

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/pulsegate /usr/bin/pulsegate
# No user has a name here; Kubernetes wants a number to see that it is not root.
USER 65532:65532
WORKDIR /
EXPOSE 8080
# Sessions are closed in good order before the process ends.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=8s --start-period=5s CMD ["/usr/bin/pulsegate", "health"]
ENTRYPOINT ["/usr/bin/pulsegate"]
CMD ["serve"]
