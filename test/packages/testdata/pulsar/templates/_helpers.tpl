{{- define "pulsar.fullname" -}}{{ .Release.Name }}{{- end -}}
{{- define "pulsar.namespace" -}}{{ .Release.Namespace }}{{- end -}}
{{- define "pulsar.cluster.name" -}}{{ .Release.Name }}{{- end -}}
{{- define "pulsar.certs.issuers.ca.secretName" -}}{{ .Release.Name }}-ca-tls{{- end -}}
{{- define "pulsar.matchLabels" -}}
app: pulsar
release: {{ .Release.Name }}
{{- end -}}
{{- define "pulsar.template.labels" -}}{{ include "pulsar.matchLabels" . }}{{- end -}}
{{- define "pulsar.standardLabels" -}}{{ include "pulsar.matchLabels" . }}{{- end -}}
