// What the sketch in examples/arduino takes from Arduino's core and its WiFi library, on a computer: it compiles and runs
// there with the declarations and the meaning that the library has.
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

inline unsigned long micros() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000UL + t.tv_nsec / 1000;
}
inline unsigned long millis() { return micros() / 1000; }
inline void delay(unsigned long ms) { usleep(ms * 1000); }
inline void randomSeed(unsigned long seed) { srandom(seed); }
inline long random(long low, long high) { return high <= low ? low : low + ::random() % (high - low); }

struct Print {
  virtual size_t write(const uint8_t *data, size_t n) = 0;
  size_t print(const char *text) { return write((const uint8_t *)text, strlen(text)); }
  size_t print(int n) {
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    return print(text);
  }
  size_t println(const char *text) { return print(text) + print("\n"); }
};

struct HardwareSerial : Print {
  void begin(unsigned long) { setvbuf(stdout, NULL, _IOLBF, 0); }
  size_t write(const uint8_t *data, size_t n) override { return fwrite(data, 1, n, stdout); }
};
static HardwareSerial Serial;

enum wl_status_t { WL_CONNECTED = 3 };
struct WiFiClass {
  void begin(const char *, const char *) { signal(SIGPIPE, SIG_IGN); }
  wl_status_t status() { return WL_CONNECTED; }
};
static WiFiClass WiFi;

struct WiFiClient : Print {
  int fd = -1;
  int connect(const char *host, uint16_t port) {
    stop();
    sockaddr_in to = {};
    to.sin_family = AF_INET, to.sin_port = htons(port);
    inet_pton(AF_INET, host, &to.sin_addr);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, (sockaddr *)&to, sizeof to) == 0) return 1;
    stop();
    return 0;
  }
  int available() {
    char c;
    return fd < 0 ? 0 : recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }
  int read() {
    uint8_t c;
    return recv(fd, &c, 1, MSG_DONTWAIT) == 1 ? c : -1;
  }
  size_t write(const uint8_t *data, size_t n) override { return fd < 0 ? 0 : send(fd, data, n, MSG_NOSIGNAL); }
  uint8_t connected() {
    if (fd < 0) return 0;
    pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, 0) <= 0) return 1;
    return available() > 0;
  }
  void stop() {
    if (fd >= 0) close(fd);
    fd = -1;
  }
};

void setup();
void loop();
int main() {
  for (setup();;) loop();
}
