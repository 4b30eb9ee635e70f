// A device that publishes a reading every ten seconds: an ESP32 or ESP8266 with Arduino's WiFi library, and no other.
//
// A reading that was not answered is sent again over the next connection. Between two tries to connect the device waits a random
// time, which grows, so that a thousand of them do not come at once when the power or the server is back.

#include <WiFi.h>

const char *NETWORK = "my-network";
const char *PASSWORD = "my-password";
const char *HOST = "192.168.1.10"; // for wss:// take a WiFiClientSecure
const uint16_t PORT = 8080;
const char *PATH = "/ws/v2/producer/persistent/public/default/readings";
const char *TOKEN = ""; // a JSON web token, if the server asks for one

const unsigned long INTERVAL = 10000;     // between two readings, in milliseconds
const unsigned long PATIENCE = 15000;     // for an answer
const unsigned long LONGEST_WAIT = 60000; // before the next try to connect

WiFiClient net;
unsigned long failures = 0;
unsigned long number = 0; // of the reading that is to be published next
unsigned long published_at = 0;

// readSensor is the reading: put yours here.
float readSensor() { return 20.0 + random(0, 100) / 10.0; }

// ---- WebSocket (RFC 6455), as much as a device needs: messages of up to 512 bytes, in one frame ----

const size_t MAX_MESSAGE = 512;

// readLine reads a line of the server's answer without its end. It returns false when no end comes.
bool readLine(char *line, size_t size) {
  size_t n = 0;
  line[0] = 0;
  unsigned long since = millis();
  while (millis() - since < PATIENCE) {
    int c = net.available() ? net.read() : -1;
    if (c < 0) {
      if (!net.connected() && !net.available()) return false;
      delay(1);
    } else if (c == '\n') {
      return true;
    } else if (c != '\r' && n < size - 1) {
      line[n++] = (char)c;
      line[n] = 0;
    }
  }
  return false;
}

// readBytes reads exactly n bytes.
bool readBytes(uint8_t *to, size_t n) {
  unsigned long since = millis();
  for (size_t i = 0; i < n;) {
    int c = net.available() ? net.read() : -1;
    if (c >= 0) {
      to[i++] = (uint8_t)c;
    } else if ((!net.connected() && !net.available()) || millis() - since > PATIENCE) {
      return false;
    } else {
      delay(1);
    }
  }
  return true;
}

// openSession opens the session. If the server refuses it, its reason is shown.
bool openSession() {
  if (!net.connect(HOST, PORT)) {
    Serial.println("lost: no connection");
    return false;
  }
  net.print("GET ");
  net.print(PATH);
  net.print(" HTTP/1.1\r\nHost: ");
  net.print(HOST);
  net.print("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cHVsc2VnYXRlIGRldmljZQ==\r\n");
  if (TOKEN[0] != 0) {
    net.print("Authorization: Bearer ");
    net.print(TOKEN);
    net.print("\r\n");
  }
  net.print("\r\n");

  char line[256];
  if (!readLine(line, sizeof line)) {
    Serial.println("lost: no answer");
    return false;
  }
  int status = strlen(line) > 9 ? atoi(line + 9) : 0; // HTTP/1.1 101 Switching Protocols
  while (readLine(line, sizeof line) && line[0] != 0) {
  }
  if (status == 101) {
    return true;
  }
  Serial.print("refused: ");
  Serial.print(status);
  Serial.print(" ");
  readLine(line, sizeof line); // {"reason":"..."}, whose end is that of the connection
  Serial.println(line);
  return false;
}

// sendFrame sends a frame. A client's frames are masked.
void sendFrame(uint8_t opcode, const uint8_t *data, size_t n) {
  uint8_t frame[MAX_MESSAGE + 8];
  size_t at = 0;
  frame[at++] = 0x80 | opcode;
  if (n < 126) {
    frame[at++] = 0x80 | (uint8_t)n;
  } else {
    frame[at++] = 0x80 | 126;
    frame[at++] = (uint8_t)(n >> 8);
    frame[at++] = (uint8_t)n;
  }
  uint8_t *mask = frame + at;
  for (int i = 0; i < 4; i++) frame[at++] = (uint8_t)random(0, 256);
  for (size_t i = 0; i < n; i++) frame[at++] = data[i] ^ mask[i % 4];
  net.write(frame, at);
}

// receive waits for the next message. Pings are answered on the way. It returns false when the session has ended.
bool receive(char *message) {
  for (;;) {
    uint8_t head[2];
    if (!readBytes(head, 2)) {
      Serial.println("lost: no answer");
      return false;
    }
    uint8_t opcode = head[0] & 0x0f;
    size_t n = head[1] & 0x7f;
    if (n == 126) {
      if (!readBytes(head, 2)) return false;
      n = ((size_t)head[0] << 8) | head[1];
    }
    if (n > MAX_MESSAGE || !readBytes((uint8_t *)message, n)) {
      Serial.println("lost: a message is cut or too long");
      return false;
    }
    message[n] = 0;
    switch (opcode) {
      case 0x1: // text
        return true;
      case 0x8: // close: a code of two bytes and the reason
        Serial.print("closed: ");
        Serial.print(n < 2 ? 1005 : ((uint8_t)message[0] << 8 | (uint8_t)message[1]));
        Serial.print(" ");
        Serial.println(n < 2 ? "" : message + 2);
        return false;
      case 0x9: // ping
        sendFrame(0xA, (const uint8_t *)message, n);
        break;
    }
  }
}

// ---- Pulsar ----

void base64(char *to, const char *text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t n = strlen(text);
  for (size_t i = 0; i < n; i += 3) {
    uint32_t b = (uint32_t)(uint8_t)text[i] << 16;
    if (i + 1 < n) b |= (uint32_t)(uint8_t)text[i + 1] << 8;
    if (i + 2 < n) b |= (uint8_t)text[i + 2];
    *to++ = digits[b >> 18 & 63];
    *to++ = digits[b >> 12 & 63];
    *to++ = i + 1 < n ? digits[b >> 6 & 63] : '=';
    *to++ = i + 2 < n ? digits[b & 63] : '=';
  }
  *to = 0;
}

// publish publishes a reading and waits for the answer that has its context. It returns false when the session has ended.
bool publish(const char *reading) {
  static char message[MAX_MESSAGE + 1];
  char payload[128], context[32];
  base64(payload, reading);
  snprintf(message, sizeof message, "{\"payload\":\"%s\",\"properties\":{\"device\":\"esp\"},\"context\":%lu}", payload, number);
  sendFrame(0x1, (const uint8_t *)message, strlen(message));
  snprintf(context, sizeof context, "\"context\":\"%lu\"", number);
  do {
    if (!receive(message)) return false;
  } while (strstr(message, context) == NULL);
  Serial.print(strstr(message, "\"result\":\"ok\"") ? "published: " : "failed: ");
  Serial.print(reading);
  Serial.print(" ");
  Serial.println(message);
  return true;
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(NETWORK, PASSWORD);
  while (WiFi.status() != WL_CONNECTED) delay(200);
  randomSeed(micros());
}

void loop() {
  static char reading[64];
  static bool pending = false;
  if (!net.connected()) {
    if (!openSession()) {
      net.stop();
      unsigned long most = 500UL << (failures < 10 ? failures : 10);
      delay(random(0, most < LONGEST_WAIT ? most : LONGEST_WAIT));
      failures++;
      return;
    }
    failures = 0;
    Serial.println("connected");
  }
  if (!pending) {
    if (number > 0 && millis() - published_at < INTERVAL) {
      delay(10);
      return;
    }
    snprintf(reading, sizeof reading, "{\"number\":%lu,\"celsius\":%.1f}", number, readSensor());
    pending = true;
  }
  if (!publish(reading)) {
    net.stop(); // and once more with the next connection
    return;
  }
  pending = false;
  number++;
  published_at = millis();
}
