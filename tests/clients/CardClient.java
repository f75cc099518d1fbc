// SPDX-FileCopyrightText: 2026 The Tillguard authors
// SPDX-License-Identifier: Apache-2.0

// A client of javax.smartcardio: waits for a card in the reader whose name begins as the first argument says, connects,
// sends the commands that follow, and prints what it saw. With "features" as the last word it asks the reader for its
// features, with "absent" it waits until the card is gone again. Nothing of the project is in it: it judges our virtual readers from outside.

import java.util.HexFormat;
import javax.smartcardio.Card;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.CommandAPDU;
import javax.smartcardio.TerminalFactory;

public class CardClient {
    public static void main(String[] words) throws Exception {
        HexFormat hex = HexFormat.of().withUpperCase();
        CardTerminal chosen = null;
        for (CardTerminal terminal : TerminalFactory.getDefault().terminals().list()) {
            System.out.println("reader " + terminal.getName());
            if (terminal.getName().startsWith(words[0])) {
                chosen = terminal;
            }
        }
        if (chosen == null || !chosen.waitForCardPresent(10_000)) {
            throw new IllegalStateException("no card in " + words[0]);
        }
        Card card = chosen.connect("*");
        System.out.println("protocol " + card.getProtocol());
        System.out.println("atr " + hex.formatHex(card.getATR().getBytes()));
        card.beginExclusive();
        for (int place = 1; place < words.length && !words[place].matches("features|absent"); place++) {
            CommandAPDU command = new CommandAPDU(hex.parseHex(words[place]));
            System.out.println("answer " + hex.formatHex(card.getBasicChannel().transmit(command).getBytes()));
        }
        card.endExclusive();
        String last = words[words.length - 1];
        if (last.equals("features")) {
            byte[] features = card.transmitControlCommand(0x42000000 + 3400, new byte[0]);
            System.out.println("features " + hex.formatHex(features));
        }
        if (last.equals("absent")) {
            System.out.println("waiting");
            System.out.println("absent " + chosen.waitForCardAbsent(10_000));
        }
        card.disconnect(true);
    }
}
