/* Listens on a port that the system chooses. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (void *)&address, size) || listen(server, 1))
        return 1;
    getsockname(server, (void *)&address, &size);
    printf("Listening on http://127.0.0.1:%d/\n", ntohs(address.sin_port));
}
