{{- define "pulsegate.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "pulsegate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pulsegate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "pulsegate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "pulsegate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "pulsegate.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* A value of config as text. Helm reads numbers as floating point, which has an exponent from a million on. */}}
{{- define "pulsegate.text" -}}
{{- if kindIs "float64" . -}}{{ printf "%.0f" . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The port for plain HTTP in a pod, empty for none. */}}
{{- define "pulsegate.port" -}}
{{- if hasKey .Values.config "webServicePort" -}}{{ include "pulsegate.text" .Values.config.webServicePort }}{{- else -}}8080{{- end -}}
{{- end -}}

{{/* The port for TLS in a pod, empty for none. */}}
{{- define "pulsegate.portTls" -}}
{{- if hasKey .Values.config "webServicePortTls" -}}{{ include "pulsegate.text" .Values.config.webServicePortTls }}{{- end -}}
{{- end -}}

{{/* websocket.conf */}}
{{- define "pulsegate.conf" -}}
{{- range $key, $value := .Values.config }}
{{ $key }}={{ include "pulsegate.text" $value | replace "\\" "\\\\" }}
{{- end }}
drainDelayMillis={{ mul .Values.drain.delaySeconds 1000 }}
drainSpreadMillis={{ mul .Values.drain.spreadSeconds 1000 }}
drainTimeoutMillis={{ mul .Values.drain.timeoutSeconds 1000 }}
{{- end -}}

{{/* How long a pod may take to end, in seconds. */}}
{{- define "pulsegate.grace" -}}
{{ add .Values.drain.delaySeconds .Values.drain.timeoutSeconds 5 }}
{{- end -}}

{{/* A probe of a page. The kubelet speaks no PROXY protocol; the program itself does. */}}
{{- define "pulsegate.probe" -}}
{{- if eq (toString (index .root.Values.config "webServiceHaProxyProtocolEnabled")) "true" -}}
exec:
  command: {{ concat (list "/usr/bin/pulsegate" "health" "-c" "/etc/pulsegate/websocket.conf") .flags | toJson }}
{{- else -}}
httpGet:
  path: {{ .page }}
  {{- if include "pulsegate.port" .root }}
  port: http
  {{- else }}
  port: https
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end -}}

{{/* What cannot work is refused, with what to do. */}}
{{- define "pulsegate.check" -}}
{{- $c := .Values.config -}}
{{- if not (or $c.brokerServiceUrl $c.brokerServiceUrlTls $c.serviceUrl $c.serviceUrlTls $c.configurationMetadataStoreUrl $c.configurationStoreServers) -}}
{{- fail "config: the address of the Pulsar cluster is missing, such as config.brokerServiceUrl=pulsar://pulsar-broker:6650" -}}
{{- end -}}
{{- if not (or (include "pulsegate.port" .) (include "pulsegate.portTls" .)) -}}
{{- fail "config: webServicePort is empty, so webServicePortTls must be set" -}}
{{- end -}}
{{- if and (not (include "pulsegate.port" .)) (eq (toString $c.tlsRequireTrustedClientCertOnConnect) "true") -}}
{{- fail "config: with tlsRequireTrustedClientCertOnConnect=true the kubelet cannot ask whether a pod is ready: keep webServicePort, which the NetworkPolicy can close to others" -}}
{{- end -}}
{{- range $key := list "drainDelayMillis" "drainSpreadMillis" "drainTimeoutMillis" -}}
{{- if hasKey $c $key -}}
{{- fail (printf "config.%s: set it in seconds under drain, which the pod's terminationGracePeriodSeconds is computed from" $key) -}}
{{- end -}}
{{- end -}}
{{- if gt (int .Values.drain.spreadSeconds) (int .Values.drain.timeoutSeconds) -}}
{{- fail "drain: spreadSeconds is more than timeoutSeconds, which it is a part of" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling: minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- end -}}
