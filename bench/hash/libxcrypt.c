/* libxcrypt COST COUNT computes as many bcrypt hashes, as nginx on Debian does. */
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    static struct crypt_data data;
    char setting[64];
    if (count != 3)
        return 2;
    snprintf(setting, sizeof setting, "$2y$%02d$CCCCCCCCCCCCCCCCCCCCC.", atoi(arguments[1]));
    for (int left = atoi(arguments[2]); left > 0; left--)
        if (crypt_r("correct horse", setting, &data)[0] != '$')
            return 1;
    return 0;
}
