/*
 * System Locality Information Table (ACPI 6.6 5.2.17)
 *
 *     iasl -z THIS-FILE
 *     iasl -z -D OLD_IASL THIS-FILE     (20200925, Debian 12)
 *
 * With -z (keep the creator's id) both give the same bytes as the .aml beside this file.
 * Numbers are hexadecimal.
 */

                   Signature : "SLIT"    // System Locality Information Table
                Table Length : 000004B0    // 1200 bytes
                    Revision : 01
                    Checksum : 9E    // the sum of all bytes is 0 modulo 256
                      Oem ID : "BOCHS "
                Oem Table ID : "BXPC    "
                Oem Revision : 00000001
             Asl Compiler ID : "BXPC"
       Asl Compiler Revision : 00000001

                  Localities : 0000000000000022
                Locality   0 : 0A 28 FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   1 : 28 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   2 : FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   3 : FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   4 : FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   5 : FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   6 : FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   7 : FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   8 : FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality   9 : FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  10 : FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  11 : FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  12 : FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  13 : FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  14 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  15 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  16 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  17 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  18 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  19 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  20 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  21 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE FE
                Locality  22 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE FE
                Locality  23 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE FE
                Locality  24 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE FE
                Locality  25 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE FE
                Locality  26 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE FE
                Locality  27 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE FE
                Locality  28 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE FE
                Locality  29 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE FE
                Locality  30 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE FE
                Locality  31 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE FE
                Locality  32 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A FE
                Locality  33 : FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE FE 0A
